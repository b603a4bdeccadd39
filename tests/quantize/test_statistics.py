"""Statistics: what was added is what is counted, and each rule's range is what its name says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mobilekit.quantize.statistics import BINS, Statistics
from mobilekit.spec.quantize import RULES

CALLS = st.lists(
    hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=6
)


def of(*calls: torch.Tensor, percentile: float = 99.99) -> Statistics:
    statistics = Statistics(percentile)
    for one in calls:
        statistics.add(one)
    return statistics


def int8_error(values: torch.Tensor, low: float, high: float) -> float:
    """The squared error of int8 with this range, by doing it."""
    scale = max((high - low) / 255, 1e-12)
    zero = round(-128 - low / scale)
    steps = ((values.double() / scale).round() + zero).clamp(-128, 127)
    return float((((steps - zero) * scale) - values.double()).square().sum())


@given(CALLS)
@example([np.zeros(1, np.float32), np.ones(1, np.float32)])
def test_every_value_is_counted_where_it_lies(calls: list[np.ndarray]) -> None:
    statistics = of(*map(torch.from_numpy, calls))
    values = np.concatenate(calls).astype(np.float64)
    assert (statistics.low, statistics.high) == (min(0.0, values.min()), max(0.0, values.max()))
    counts = statistics._counts
    if counts is None:
        assert not values.any()
        return
    assert len(counts) <= BINS
    expected = np.zeros(len(counts))
    np.add.at(expected, np.floor(values / statistics._width).astype(int) - statistics._first, 1)
    assert counts.tolist() == expected.tolist()


@given(CALLS)
def test_every_range_holds_zero_and_lies_within_what_was_seen(calls: list[np.ndarray]) -> None:
    statistics = of(*map(torch.from_numpy, calls))
    for rule in RULES:
        low, high = statistics.range(rule)
        assert statistics.low <= low <= 0 <= high <= statistics.high
    assert statistics.range("min-max") == (statistics.low, statistics.high)


@pytest.mark.parametrize("relu", [False, True])
def test_the_least_error_is_less_than_that_of_all_that_was_seen(relu: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(100_000, generator=generator) ** 3  # long tails
    values = values.relu() if relu else values
    statistics = of(*values.split(1000))
    errors = {rule: int8_error(values, *statistics.range(rule)) for rule in RULES}
    assert errors["mse"] < errors["min-max"]
    assert errors["mse"] <= errors["percentile"]
    low, high = statistics.range("mse")
    tried = [int8_error(values, low * part, high * part) for part in np.linspace(0.5, 1.5, 41)]
    assert errors["mse"] < 1.05 * min(tried), "no range of that form is much better"


def test_a_percentile_leaves_out_that_share() -> None:
    values = torch.arange(1, 10_001, dtype=torch.float32)
    low, high = of(values, percentile=99.0).range("percentile")
    assert low == 0
    assert high == pytest.approx(9900, abs=2 * 10_000 / BINS * 2)


def test_a_moving_average_follows_each_call_by_a_hundredth() -> None:
    statistics = of(torch.tensor([-1.0, 1.0]), torch.tensor([-3.0, 5.0]))
    assert statistics.range("moving-average") == pytest.approx((-1.02, 1.04))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        of(torch.tensor([1.0, value]))


def test_nothing_and_zeros_have_an_empty_range() -> None:
    for statistics in (Statistics(), of(torch.zeros(3)), of(torch.zeros(0))):
        assert {statistics.range(rule) for rule in RULES} == {(0.0, 0.0)}
