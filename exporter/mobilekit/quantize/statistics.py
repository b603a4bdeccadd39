"""Statistics: the values of one activation, counted in one pass, and the ranges that four rules take from them.

Counts are kept in bins that are aligned at zero and double in width when the range outgrows them, so that nothing is
ever counted into a bin by guess. Refuses values that are not finite.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mobilekit.spec.quantize import Rule

if TYPE_CHECKING:
    import torch

BINS = 4096
"""Most bins. int8 has 256 steps, so that a step is 8 bins at least, of a range that has just doubled."""
CANDIDATES = 128
"""Ends that rule mse tries on either side, evenly between zero and the largest value seen."""
AVERAGING = 0.01
"""How far the moving average follows each call: torch.ao's constant."""
STEPS = 255


@dataclass
class Statistics:
    """Of all values that were added. Ranges always hold zero, which int8 must represent exactly."""

    percentile: float = 99.99
    low: float = 0.0
    high: float = 0.0
    seen: int = 0
    _zeros: int = 0
    _average: tuple[float, float] | None = None
    _width: float = 0.0
    _first: int = 0
    _counts: torch.Tensor | None = field(default=None, repr=False)

    def add(self, values: torch.Tensor) -> None:
        """Count `values`: float, any shape. Raises ValueError when one of them is not finite."""
        if values.numel() == 0:
            return
        flat = values.detach().reshape(-1)
        low, high = (float(end) for end in flat.aminmax())
        if not (-float("inf") < low <= high < float("inf")):
            raise ValueError("an activation is NaN or infinite")
        self.seen += flat.numel()
        self._zeros += int((flat == 0).sum())
        before = self._average
        self._average = (
            (low, high)
            if before is None
            else (before[0] + AVERAGING * (low - before[0]), before[1] + AVERAGING * (high - before[1]))
        )
        self.low, self.high = min(self.low, low), max(self.high, high)
        if self.low < self.high:
            self._count(flat)

    def range(self, rule: Rule) -> tuple[float, float]:
        """The lower and upper end by `rule`: low <= 0 <= high.

        Sources: min-max and moving-average as in Jacob et al. 2018 (https://arxiv.org/abs/1712.05877); percentile and
        the least squared error as in Wu et al. 2020 (https://arxiv.org/abs/2004.09602), section 5.
        """
        if rule == "moving-average" and self._average is not None:
            return min(0.0, self._average[0]), max(0.0, self._average[1])
        if self._counts is not None and rule == "percentile":
            return self._between(self._counts)
        if self._counts is not None and rule == "mse":
            return self._least_error(self._counts)
        return self.low, self.high

    def _count(self, flat: torch.Tensor) -> None:
        import torch

        if self._counts is None:
            self._width = 2 * (self.high - self.low) / BINS
            before = self.seen - flat.numel()  # all of them zeros
            self._first, self._counts = 0, torch.tensor([before], dtype=torch.float64)
        while (self.high - self.low) / self._width > BINS - 2:
            self._double()
        bins = (flat.double() / self._width).floor().long()
        first, last = (int(end) for end in bins.aminmax())
        start = min(self._first, first)
        counts = torch.zeros(max(self._first + len(self._counts), last + 1) - start, dtype=torch.float64)
        counts[self._first - start : self._first - start + len(self._counts)] = self._counts
        added = torch.bincount(bins - first)
        counts[first - start : first - start + len(added)] += added
        self._first, self._counts = start, counts

    def _double(self) -> None:
        """Merge pairs of bins; pairs begin at even numbers, so that zero stays an edge."""
        import torch

        assert self._counts is not None
        before, after = self._first % 2, (self._first + len(self._counts)) % 2
        padded = torch.nn.functional.pad(self._counts, (before, after))
        self._first, self._counts = (self._first - before) // 2, padded.reshape(-1, 2).sum(1)
        self._width *= 2

    def _edges(self, counts: torch.Tensor) -> torch.Tensor:
        import torch

        return (self._first + torch.arange(len(counts) + 1, dtype=torch.float64)) * self._width

    def _between(self, counts: torch.Tensor) -> tuple[float, float]:
        edges, share = self._edges(counts), counts.cumsum(0) / counts.sum()
        tail = 1 - self.percentile / 100
        low = float(edges[int((share <= tail).sum())])
        high = float(edges[int((share < 1 - tail).sum()) + 1])
        return max(self.low, min(0.0, low)), min(self.high, max(0.0, high))

    def _least_error(self, counts: torch.Tensor) -> tuple[float, float]:
        """Where values that are cut off and values that are rounded (step² / 12 each) cost least together.

        Zeros cost nothing: they are represented exactly, and half of what a ReLU gives are zeros.
        """
        import torch

        edges = self._edges(counts)
        middles, parts = (edges[:-1] + edges[1:]) / 2, torch.arange(1, CANDIDATES + 1, dtype=torch.float64) / CANDIDATES
        highs = parts * self.high if self.high > 0 else torch.zeros(1, dtype=torch.float64)
        lows = parts * self.low if self.low < 0 else torch.zeros(1, dtype=torch.float64)
        above = ((middles - highs[:, None]).clamp_min(0).square() * counts).sum(1)
        below = ((lows[:, None] - middles).clamp_min(0).square() * counts).sum(1)
        steps = (highs[None, :] - lows[:, None]) / STEPS
        error = below[:, None] + above[None, :] + (self.seen - self._zeros) * steps.square() / 12
        where = int(error.argmin())
        return float(lows[where // len(highs)]), float(highs[where % len(highs)])
