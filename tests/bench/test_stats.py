"""The summary of a series of timings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.bench import summarize
from mobilekit.bench.stats import median_interval, ratio_of_rounds

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
    assert found.min_ms <= found.median_ms <= found.p90_ms <= found.p99_ms <= max(series) / 1e6 + 1e-9
    assert found.iqr_ms >= 0
    assert summarize(rng.sample(series, len(series))) == found


ROUNDS = st.lists(st.lists(st.integers(1, 10**9), min_size=1, max_size=300), min_size=2, max_size=12)


@given(ROUNDS, st.integers(0, 9))
def test_the_interval_holds_the_median_and_lies_within_the_timings(rounds: list[list[int]], seed: int) -> None:
    found = median_interval(rounds, seed=seed)
    timings = [one / 1e6 for block in rounds for one in block]
    assert found is not None and found == median_interval(rounds, seed=seed)
    low, high = found
    assert min(timings) - 1e-9 <= low <= summarize([one for block in rounds for one in block]).median_ms + 1e-9
    assert high <= max(timings) + 1e-9


def test_rounds_that_differ_make_the_interval_wide_however_many_timings_they_hold() -> None:
    same = median_interval([[1_000_000, 1_010_000] * 500] * 10, seed=0)
    apart = median_interval([[1_000_000 + 50_000 * (number % 2)] * 1000 for number in range(10)], seed=0)
    assert same is not None and apart is not None
    assert same[1] - same[0] < 0.011
    assert apart[1] - apart[0] == pytest.approx(0.05)


def test_what_slows_both_for_a_while_is_not_in_their_ratio() -> None:
    slowed = [[base] * 5 for base in (100, 100, 900, 900, 300, 100)]
    found, interval = ratio_of_rounds([[2 * one for one in block] for block in slowed], slowed, seed=0)
    assert (found, interval) == (2, (2, 2))


def test_a_ratio_needs_rounds_of_both() -> None:
    assert ratio_of_rounds([[4]], [[2]], seed=0) == (2, None)
    assert median_interval([[4, 5]], seed=0) is None
    for one, other in (([[1]], [[1], [2]]), ([], []), ([[1]], [[0]])):
        with pytest.raises(ValueError):
            ratio_of_rounds(one, other, seed=0)
