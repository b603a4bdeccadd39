"""Stats: series of timings -> medians, percentiles and bootstrap intervals, in milliseconds.

The unit that is drawn again by the bootstrap is the round and not the single timing: timings of one block share
what the machine did just then, and to count them one by one would make the interval far too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
_CONFIDENCE = 0.95
_MOST_OF_A_ROUND = 200


@dataclass(frozen=True)
class Summary:
    """`n` timings in milliseconds. Percentiles interpolate linearly between neighbours (NumPy's default)."""

    n: int
    median_ms: float
    p90_ms: float
    p99_ms: float
    min_ms: float
    iqr_ms: float


def summarize(nanoseconds: Sequence[int]) -> Summary:
    """Raises ValueError when there are none."""
    if not nanoseconds:
        raise ValueError("no timings")
    values = np.asarray(nanoseconds, dtype=np.float64) / 1e6
    low, median, high, p90, p99 = (float(one) for one in np.percentile(values, [25, 50, 75, 90, 99], method="linear"))
    return Summary(len(values), median, p90, p99, float(values.min()), high - low)


def median_interval(rounds: Sequence[Sequence[int]], *, seed: int) -> tuple[float, float] | None:
    """The 95 % interval in milliseconds of the median of all timings, whole rounds drawn with replacement.

    None for fewer than two rounds, which say nothing of what another one would have brought.
    """
    if len(rounds) < 2:
        return None
    thinned = [_thinned(np.asarray(one, dtype=np.float64) / 1e6) for one in rounds]
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(rounds), (RESAMPLES, len(rounds)))
    medians = [float(np.median(np.concatenate([thinned[index] for index in row]))) for row in drawn]
    return _around(medians, float(np.median(np.concatenate([np.asarray(one) for one in rounds]))) / 1e6)


def ratio_of_rounds(
    rounds: Sequence[Sequence[int]], reference: Sequence[Sequence[int]], *, seed: int
) -> tuple[float, tuple[float, float] | None]:
    """The median over rounds of one's median over the other's, and its 95 % interval (None for a single round).

    Both are of the same round, so that what slowed the machine for a while is in both. Raises ValueError when the
    numbers of rounds differ or a reference took no time at all.
    """
    if len(rounds) != len(reference) or not rounds:
        raise ValueError("as many rounds of the one as of the other are needed")
    below = [float(np.median(one)) for one in reference]
    if min(below) <= 0:
        raise ValueError("a median of 0 ns has no ratio")
    ratios = np.array([float(np.median(one)) / other for one, other in zip(rounds, below, strict=True)])
    found = float(np.median(ratios))
    if len(ratios) < 2:
        return found, None
    drawn = np.random.default_rng(seed).integers(0, len(ratios), (RESAMPLES, len(ratios)))
    return found, _around(np.median(ratios[drawn], axis=1).tolist(), found)


def _around(resampled: Sequence[float], found: float) -> tuple[float, float]:
    """The percentile interval; it holds the figure itself."""
    tail = 50 * (1 - _CONFIDENCE)
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return min(float(low), found), max(float(high), found)


def _thinned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """At most 200 of a round's timings, evenly by rank: a thousand drawings of 10,000 timings would take a minute.

    A round that was thinned weighs no more than one that was not, where both were cut by the same time.
    """
    if len(values) <= _MOST_OF_A_ROUND:
        return values
    ranks = np.linspace(0, len(values) - 1, _MOST_OF_A_ROUND)
    return np.sort(values)[[math.floor(rank + 0.5) for rank in ranks]]
