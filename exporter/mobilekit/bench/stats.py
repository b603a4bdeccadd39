"""Stats: a series of timings -> median, 90th percentile, minimum and interquartile range, in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Summary:
    """`n` timings in milliseconds. Percentiles interpolate linearly between neighbours (NumPy's default)."""

    n: int
    median_ms: float
    p90_ms: float
    min_ms: float
    iqr_ms: float


def summarize(nanoseconds: Sequence[int]) -> Summary:
    """Raises ValueError when there are none."""
    if not nanoseconds:
        raise ValueError("no timings")
    values = np.asarray(nanoseconds, dtype=np.float64) / 1e6
    low, median, high, p90 = (float(one) for one in np.percentile(values, [25, 50, 75, 90], method="linear"))
    return Summary(n=len(values), median_ms=median, p90_ms=p90, min_ms=float(values.min()), iqr_ms=high - low)
