"""The statistics on drawn values: never more false alarms than promised, however often one looks; and power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.gate.sequential import (
    FALSE_ALARMS,
    LEAST_FOR_ALARM,
    LEAST_FOR_PASS,
    LEAST_SPREAD,
    MISSED,
    Estimate,
    decide,
    estimate,
    half_width,
    sessions_needed,
)

BUDGET = math.log(1.03)


def verdict(values: np.ndarray, comparisons: int = 1) -> bool | None:
    """What looking after every value comes to."""
    for count in range(2, len(values) + 1):
        found = decide(estimate(values[:count].tolist()), BUDGET, comparisons)
        if found is not None:
            return found
    return None


def drawn(mean: float, *, kind: str, runs: int = 400, sessions: int = 25) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    noise = {
        "normal": lambda: rng.normal(0, 0.02, sessions),
        "outliers": lambda: rng.normal(0, 0.01, sessions) * np.where(rng.random(sessions) < 0.1, 15, 1),
        "two levels": lambda: rng.choice([-0.03, 0.03], sessions) + rng.normal(0, 0.004, sessions),
    }[kind]
    return [mean + noise() for _ in range(runs)]


@pytest.mark.parametrize("kind", ["normal", "outliers", "two levels"])
def test_equals_are_no_regression_under_noise_of_any_kind(kind: str) -> None:
    assert sum(verdict(values) is True for values in drawn(0, kind=kind)) == 0


@pytest.mark.parametrize("kind", ["normal", "outliers", "two levels"])
def test_even_right_at_the_budget_alarms_keep_to_their_level(kind: str) -> None:
    runs = drawn(BUDGET, kind=kind)
    assert sum(verdict(values) is True for values in runs) <= 2 * FALSE_ALARMS * len(runs)
    assert sum(verdict(values) is False for values in runs) <= 1.2 * MISSED * len(runs)


def test_an_ordinary_interval_would_cry_wolf() -> None:
    """What the promise above is worth: a t-test at each look, at twice the level of MISSED, is wrong in many runs."""
    alarms = 0
    for values in drawn(BUDGET, kind="normal"):
        for count in range(2, len(values) + 1):
            some = values[:count]
            if (some.mean() - BUDGET) / (some.std(ddof=1) / math.sqrt(count)) > 2:
                alarms += 1
                break
    assert alarms > 0.1 * 400


def test_what_is_far_slower_is_found_and_what_is_equal_passes() -> None:
    rng = np.random.default_rng(3)
    slower = [math.log(1.05) + rng.normal(0, 0.01, 25) for _ in range(200)]
    equal = [rng.normal(0, 0.01, 25) for _ in range(200)]
    assert sum(verdict(values) is True for values in slower) >= 190
    assert sum(verdict(values) is False for values in equal) >= 198


def test_many_variants_need_more_for_an_alarm_and_no_more_for_a_pass() -> None:
    slower, equal = Estimate(8, math.log(1.06), 0.011), Estimate(5, 0, 0.008)
    assert decide(slower, BUDGET, 1) is True
    assert decide(slower, BUDGET, 50) is None
    assert decide(equal, BUDGET, 1) is decide(equal, BUDGET, 50) is False


def test_too_few_sessions_decide_nothing() -> None:
    assert estimate([0.1]) is None
    assert decide(None, BUDGET, 1) is None
    assert decide(Estimate(LEAST_FOR_ALARM - 1, 9.0, LEAST_SPREAD), BUDGET, 1) is None
    assert decide(Estimate(LEAST_FOR_PASS - 1, -9.0, LEAST_SPREAD), BUDGET, 1) is None
    assert half_width(1, 0.01, 0.05) == math.inf


def test_no_spread_below_the_least_is_believed() -> None:
    found = estimate([0.01, 0.01, 0.01])
    assert found is not None and found.spread == LEAST_SPREAD


@given(st.integers(2, 3000), st.floats(1e-4, 1), st.floats(1e-6, 0.5))
def test_the_interval_narrows_with_values_and_widens_with_spread_and_with_confidence(
    n: int, spread: float, alpha: float
) -> None:
    half = half_width(n, spread, alpha)
    assert half > 0
    assert half_width(n + 1, spread, alpha) <= half
    assert half_width(n, spread, alpha / 2) >= half
    if math.isfinite(half):
        assert half_width(n, 2 * spread, alpha) == pytest.approx(2 * half)
        # wider than the interval for a number that was fixed beforehand
        assert half > 1.2 * spread / math.sqrt(n) or alpha > 0.2


@given(st.integers(3, 50), st.floats(-0.1, 0.2), st.floats(0.002, 0.1), st.integers(1, 20))
def test_what_is_said_to_be_needed_decides_and_one_less_does_not(
    n: int, mean: float, spread: float, comparisons: int
) -> None:
    found = Estimate(n, mean, spread)
    needed = sessions_needed(found, BUDGET, comparisons)
    if decide(found, BUDGET, comparisons) is not None:
        return
    if needed is None:
        assert abs(mean - BUDGET) < 0.02 * spread * 2
        return
    assert needed > n or needed in (LEAST_FOR_ALARM, LEAST_FOR_PASS)
    assert decide(Estimate(needed + 1, mean, spread), BUDGET, comparisons) is not None
    assert needed <= n or decide(Estimate(needed - 1, mean, spread), BUDGET, comparisons) is None
