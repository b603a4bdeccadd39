"""The figures' laws: what scaling, order, equality and values that are not finite do to them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mobilekit.errors import RunnerError
from mobilekit.verify.metrics import (
    CEILING_DB,
    FLOOR_DB,
    agreeing,
    correct,
    distance,
    max_abs_error,
    predictions,
    sqnr_db,
)

ANY = st.floats(width=64, allow_nan=True, allow_infinity=True)
FINITE = st.floats(-1e6, 1e6, width=64)
ROW = hnp.arrays(np.float64, (1, 5), elements=FINITE)
PAIR = st.tuples(ROW, ROW)


def one(array: object) -> list[tuple[np.ndarray]]:
    return [(np.asarray(array, dtype=np.float64),)]


def test_a_known_ratio() -> None:
    # signal 1^2 + 2^2 + 2^2 = 9, noise 0.3^2 = 0.09: 100 to 1
    assert sqnr_db(one([1, 2, 2]), one([1, 2, 2.3])) == pytest.approx(20.0)
    assert max_abs_error(one([1, 2, 2]), one([1, 2, 2.3])) == pytest.approx(0.3)


def test_halving_the_error_gains_six_decibels() -> None:
    better, worse = sqnr_db(one([3, 4]), one([3, 4.1])), sqnr_db(one([3, 4]), one([3, 4.2]))
    assert better is not None and worse is not None
    assert better - worse == pytest.approx(20 * math.log10(2))


@given(ROW)
def test_equal_outputs_have_no_ratio(row: np.ndarray) -> None:
    assert distance(one(row), one(row.copy())) == distance([(row,)], [(row,)])
    assert sqnr_db(one(row), one(row)) is None
    assert max_abs_error(one(row), one(row)) == 0


@given(PAIR, st.floats(1e-6, 1e6))
def test_scaling_both_changes_nothing(pair: tuple[np.ndarray, np.ndarray], factor: float) -> None:
    r, c = pair
    assume(np.abs(r).max() > 1e-3 and np.abs(r - c).max() > 1e-6)
    plain, scaled = sqnr_db(one(r), one(c)), sqnr_db(one(r * factor), one(c * factor))
    assert plain == pytest.approx(scaled, abs=1e-3)


@given(st.lists(PAIR, min_size=1, max_size=5), st.randoms())
def test_the_order_of_samples_changes_nothing(pairs: list[tuple[np.ndarray, np.ndarray]], rng) -> None:
    shuffled = rng.sample(pairs, len(pairs))
    plain, other = (sqnr_db([(r,) for r, _ in some], [(c,) for _, c in some]) for some in (pairs, shuffled))
    assert plain == pytest.approx(other)


@given(st.lists(PAIR, min_size=2, max_size=4))
def test_samples_add_up_as_if_concatenated(pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    apart = sqnr_db([(r,) for r, _ in pairs], [(c,) for _, c in pairs])
    together = sqnr_db(one(np.concatenate([r for r, _ in pairs])), one(np.concatenate([c for _, c in pairs])))
    assert apart == pytest.approx(together)


@given(hnp.arrays(np.float64, (2, 3), elements=ANY), hnp.arrays(np.float64, (2, 3), elements=ANY))
def test_any_values_give_figures_that_json_can_hold(r: np.ndarray, c: np.ndarray) -> None:
    found = distance(one(r), one(c))
    json.dumps([found.sqnr_db, found.max_abs_error, found.nonfinite], allow_nan=False)
    assert found.sqnr_db is None or FLOOR_DB <= found.sqnr_db <= CEILING_DB
    equal = ((r == c) & ~np.isnan(r)).all()
    assert (found.sqnr_db is None) == equal


@given(ROW, st.integers(0, 4), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_a_value_that_is_not_finite_is_counted_and_sinks_the_ratio(row: np.ndarray, at: int, bad: float) -> None:
    broken = row.copy()
    broken[0, at] = bad
    for r, c in ((row, broken), (broken, row)):
        found = distance(one(r), one(c))
        assert (found.nonfinite, found.sqnr_db, found.max_abs_error) == (1, FLOOR_DB, 0)


def test_the_same_infinity_is_equal_and_the_same_nan_is_not() -> None:
    masked = [0.5, -np.inf]
    assert distance(one(masked), one(masked)).nonfinite == 0
    assert sqnr_db(one(masked), one([0.5, -np.inf])) is None
    assert distance(one([np.nan, 1]), one([np.nan, 1])).nonfinite == 1


def test_extreme_magnitudes_neither_overflow_nor_underflow() -> None:
    assert sqnr_db(one([1e300, 0]), one([1e300, 1e299])) == pytest.approx(20)
    assert sqnr_db(one([1e-300, 0]), one([1e-300, 1e-301])) == pytest.approx(20)
    assert sqnr_db(one([1.7e308]), one([-1.7e308])) == pytest.approx(0, abs=1)
    assert sqnr_db(one([0.0, 0.0]), one([0.0, 1.0])) == FLOOR_DB


def test_of_several_outputs_the_worst_counts() -> None:
    large, small = np.array([1e6, 1e6]), np.array([1.0, 1.0])
    found = sqnr_db([(large, small)], [(large, small * 0)])
    assert found == pytest.approx(0)


def test_integers_and_half_floats() -> None:
    assert sqnr_db([(np.array([100], np.int8),)], [(np.array([-100], np.int8),)]) == pytest.approx(-6.02, abs=0.01)
    assert max_abs_error([(np.array([2.0], np.float16),)], [(np.array([1.0], np.float32),)]) == 1


@pytest.mark.parametrize(
    "candidate",
    [[], [(np.zeros(3),), (np.zeros(3),)], [(np.zeros(2),)], [(np.zeros((1, 3)),)], [(np.zeros(3), np.zeros(3))]],
)
def test_other_shapes_are_refused(candidate: list[tuple[np.ndarray, ...]]) -> None:
    with pytest.raises(RunnerError):
        distance([(np.zeros(3),)], candidate)


def test_predictions() -> None:
    rows = [np.array([[0.1, 0.9, 0.0]]), np.array([[1.0, 1.0, 0.0]]), np.array([[0.0, np.nan, 9.0]])]
    assert predictions([(row,) for row in rows]) is not None
    assert predictions([(row,) for row in rows]).tolist() == [1, 0, -1]
    assert predictions([(np.array([[0.0, np.inf], [np.inf, 0.0]]),)]).tolist() == [1, 0]


@pytest.mark.parametrize("shape", [(3,), (1, 1), (1, 3, 8, 8), ()])
def test_what_does_not_classify(shape: tuple[int, ...]) -> None:
    assert predictions([(np.zeros(shape),)]) is None


def test_nothing_classifies() -> None:
    assert predictions([]) is None
    assert predictions([()]) is None


@given(hnp.arrays(np.int64, 12, elements=st.integers(0, 2)), hnp.arrays(np.int64, 12, elements=st.integers(0, 2)))
def test_counts(a: np.ndarray, b: np.ndarray) -> None:
    assert agreeing(a, b) == agreeing(b, a) == sum(x == y for x, y in zip(a, b, strict=True))
    assert correct(a, b.tolist()) == agreeing(a, b)
    assert agreeing(a, a) == 12


def test_nan_agrees_with_nothing() -> None:
    nan = np.array([-1, -1])
    assert agreeing(nan, nan) == 0
    assert correct(nan, [0, 1]) == 0


def test_labels_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="3 labels for 2 predictions"):
        correct(np.array([0, 1]), [0, 1, 2])
