"""The summary of a series of timings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.bench import summarize

SERIES = st.lists(st.integers(0, 10**12), min_size=1, max_size=200)


def test_known() -> None:
    found = summarize([n * 1_000_000 for n in range(11)])  # 0, 1, ... 10 ms
    assert (found.n, found.median_ms, found.p90_ms, found.min_ms, found.iqr_ms) == (11, 5, 9, 0, 5)


def test_linear_between_neighbours() -> None:
    found = summarize([1_000_000, 2_000_000])
    assert (found.median_ms, found.p90_ms, found.iqr_ms) == (1.5, pytest.approx(1.9), 0.5)


def test_one_and_none() -> None:
    assert summarize([5_000_000]).iqr_ms == 0
    with pytest.raises(ValueError):
        summarize([])


@given(SERIES, st.randoms())
def test_laws(series: list[int], rng) -> None:
    found = summarize(series)
    assert found.n == len(series)
    assert found.min_ms == min(series) / 1e6
    assert found.min_ms <= found.median_ms <= found.p90_ms <= max(series) / 1e6 + 1e-9
    assert found.iqr_ms >= 0
    assert summarize(rng.sample(series, len(series))) == found
