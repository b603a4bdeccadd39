"""Metrics: how far a candidate's outputs are from the reference's. Plain arrays in, plain numbers out.

An output set is a list of samples, each a tuple of arrays (see mobilekit.runners). Everything is computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mobilekit.errors import RunnerError
from mobilekit.runners.base import Array

FLOOR_DB, CEILING_DB = -200.0, 400.0
_LARGEST = float(np.finfo(np.float64).max)
Outputs = Sequence[Sequence[Array]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Distance:
    """Candidate against reference over all samples and outputs.

    `sqnr_db` is None when every value is equal. `nonfinite` counts values that are NaN on either side, or infinite
    and not equal; with any of them `sqnr_db` is FLOOR_DB (their noise is infinite, which JSON cannot hold), while
    `max_abs_error` is over the finite values.
    """

    sqnr_db: float | None
    max_abs_error: float
    nonfinite: int


def distance(reference: Outputs, candidate: Outputs) -> Distance:
    """Signal to quantization noise ratio, largest error and count of values that are not finite.

    SQNR is 10 log10(sum r^2 / sum (r - c)^2), summed over all samples, limited to FLOOR_DB..CEILING_DB. Of several
    outputs the worst counts: in one sum over all, the output with the largest values would hide the others.
    Raises RunnerError when samples, outputs or shapes differ in number.
    """
    found: dict[int, _Sums] = {}
    for output, r, c in _pairs(reference, candidate):
        found.setdefault(output, _Sums()).add(r, c)
    ratios = [ratio for sums in found.values() if (ratio := sums.ratio_db()) is not None]
    return Distance(
        sqnr_db=min(ratios, default=None),
        max_abs_error=max((sums.largest for sums in found.values()), default=0.0),
        nonfinite=sum(sums.nonfinite for sums in found.values()),
    )


def sqnr_db(reference: Outputs, candidate: Outputs) -> float | None:
    """`distance(...).sqnr_db`."""
    return distance(reference, candidate).sqnr_db


def max_abs_error(reference: Outputs, candidate: Outputs) -> float:
    """`distance(...).max_abs_error`."""
    return distance(reference, candidate).max_abs_error


def predictions(outputs: Outputs) -> NDArray[np.int64] | None:
    """The arg-max of each row of the first output, or None when that is not (N, classes) with two classes or more.

    Ties go to the lowest index, as on the phone; a row with a NaN predicts -1, which is no class.
    """
    rows = [np.asarray(sample[0], dtype=np.float64) for sample in outputs if len(sample)]
    if not rows or len(rows) != len(outputs) or any(one.ndim != 2 or one.shape[1] < 2 for one in rows):
        return None
    if len({one.shape[1] for one in rows}) != 1:
        return None
    table = np.concatenate(rows)
    return np.where(np.isnan(table).any(axis=1), -1, np.argmax(np.nan_to_num(table), axis=1)).astype(np.int64)


def correct(predicted: NDArray[np.int64], labels: Sequence[int]) -> int:
    """How many predictions equal their label. Raises ValueError when their numbers differ."""
    if len(predicted) != len(labels):
        raise ValueError(f"{len(labels)} labels for {len(predicted)} predictions")
    return int(np.count_nonzero(predicted == np.asarray(labels, dtype=np.int64)))


def agreeing(reference: NDArray[np.int64], candidate: NDArray[np.int64]) -> int:
    """How many predictions are the same class; a NaN agrees with nothing."""
    return int(np.count_nonzero((reference == candidate) & (candidate >= 0)))


class _Energy:
    """A sum of squares that neither overflows nor underflows: scale^2 * total, as in LAPACK's lassq."""

    def __init__(self) -> None:
        self.scale, self.total = 0.0, 0.0

    def add(self, values: Floats) -> None:
        largest = float(np.max(np.abs(values), initial=0.0))
        if largest == 0.0:
            return
        if largest > self.scale:
            self.total *= (self.scale / largest) ** 2
            self.scale = largest
        self.total += float(np.sum(np.square(values / self.scale)))

    def log10(self) -> float:
        return math.log10(self.total) + 2 * math.log10(self.scale)


class _Sums:
    """What one output has shown so far."""

    def __init__(self) -> None:
        self.signal, self.noise = _Energy(), _Energy()
        self.largest, self.nonfinite = 0.0, 0

    def add(self, r: Floats, c: Floats) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            broken = np.isnan(r) | np.isnan(c) | ((np.isinf(r) | np.isinf(c)) & (r != c))
            usable = ~broken & np.isfinite(r)
            error = np.clip(r[usable] - c[usable], -_LARGEST, _LARGEST)
        self.nonfinite += int(np.count_nonzero(broken))
        self.largest = max(self.largest, float(np.max(np.abs(error), initial=0.0)))
        self.signal.add(r[usable])
        self.noise.add(error)

    def ratio_db(self) -> float | None:
        if self.nonfinite:
            return FLOOR_DB
        if self.noise.scale == 0.0:
            return None
        if self.signal.scale == 0.0:
            return FLOOR_DB
        return min(CEILING_DB, max(FLOOR_DB, 10 * (self.signal.log10() - self.noise.log10())))


def _pairs(reference: Outputs, candidate: Outputs) -> Iterator[tuple[int, Floats, Floats]]:
    if len(reference) != len(candidate):
        raise RunnerError(f"the artifact answered {len(candidate)} samples, the reference {len(reference)}")
    for index, (expected, given) in enumerate(zip(reference, candidate, strict=True)):
        shapes = [list(one.shape) for one in expected], [list(one.shape) for one in given]
        if shapes[0] != shapes[1]:
            raise RunnerError(
                f"sample {index}: the artifact's outputs have shapes {shapes[1]}, the reference's {shapes[0]}"
            )
        for output, (r, c) in enumerate(zip(expected, given, strict=True)):
            yield output, np.asarray(r, dtype=np.float64), np.asarray(c, dtype=np.float64)
