"""Checks pass and fail where their thresholds say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mobilekit.bundle.manifest import Metrics
from mobilekit.errors import RunnerError
from mobilekit.verify import Comparison, Limit, compare, thresholds

CLASSES = 10


def logits(predicted: list[int]) -> list[tuple[np.ndarray, ...]]:
    return [(np.eye(CLASSES, dtype=np.float32)[[one]] * 10,) for one in predicted]


def with_noise(outputs: list[tuple[np.ndarray, ...]], decibels: float) -> list[tuple[np.ndarray, ...]]:
    """Noise on a class that never wins, so that only SQNR moves."""
    amount = 10 * 10 ** (-decibels / 20)
    return [(row - amount * np.eye(CLASSES, dtype=np.float32)[[CLASSES - 1]],) for (row,) in outputs]


def verdicts(found: Comparison) -> dict[str, bool]:
    return {check.name: check.passed for check in found.checks}


def test_perfect() -> None:
    labels = [n % 5 for n in range(50)]
    found = compare(logits(labels), logits(labels), scheme="fp32", labels=labels)
    assert found.metrics == Metrics(
        samples=50, top1=1, top1_eager=1, agreement=1, sqnr_db=None, max_abs_error=0, nonfinite=0
    )
    assert verdicts(found) == {"nonfinite_values": True, "sqnr_db": True, "agreement": True, "top1_drop_points": True}


@pytest.mark.parametrize(("scheme", "decibels"), [("fp32", 80), ("fp16", 40), ("int8", 10)])
def test_sqnr(scheme: str, decibels: float) -> None:
    reference = logits([0, 1, 2, 3] * 5)
    assert verdicts(compare(reference, with_noise(reference, decibels + 0.5), scheme=scheme))["sqnr_db"]
    assert not verdicts(compare(reference, with_noise(reference, decibels - 0.5), scheme=scheme))["sqnr_db"]


@pytest.mark.parametrize(
    ("scheme", "samples", "lost", "passes"),
    [
        ("int8", 1000, 10, True),
        ("int8", 1000, 11, False),
        ("int8", 360, 3, True),
        ("int8", 360, 4, False),
        ("int8", 20, 2, True),
        ("int8", 20, 3, False),
        ("fp16", 1000, 5, True),
        ("fp16", 1000, 6, False),
        ("fp32", 1000, 1, True),
        ("fp32", 1000, 2, False),
        ("fp32", 20, 1, True),
        ("fp32", 20, 2, False),
    ],
)
def test_top1_drop(scheme: str, samples: int, lost: int, passes: bool) -> None:
    labels = [0] * samples
    candidate = [1] * lost + [0] * (samples - lost)
    found = compare(logits(labels), logits(candidate), scheme=scheme, labels=labels)
    (check,) = [one for one in found.checks if one.name == "top1_drop_points"]
    assert check.value == pytest.approx(100 * lost / samples)
    assert check.bound == "at most"
    assert check.passed is passes


def test_a_gain_is_no_drop() -> None:
    found = compare(logits([1] * 10 + [0] * 90), logits([0] * 100), scheme="int8", labels=[0] * 100)
    (check,) = [one for one in found.checks if one.name == "top1_drop_points"]
    assert check.value == pytest.approx(-10)
    assert check.passed


@pytest.mark.parametrize(("flipped", "passes"), [(10, True), (11, False)])
def test_agreement(flipped: int, passes: bool) -> None:
    found = compare(logits([0] * 100), logits([1] * flipped + [0] * (100 - flipped)), scheme="int8")
    assert found.metrics.agreement == pytest.approx(1 - flipped / 100)
    assert found.metrics.top1 is None
    assert verdicts(found)["agreement"] is passes


def test_meaningless_samples_are_held_to_sqnr_alone() -> None:
    reference = logits([0] * 10)
    found = compare(reference, logits([1] * 10), scheme="int8", labels=[0] * 10, meaningful=False)
    assert found.metrics.agreement == 0
    assert (found.metrics.top1, found.metrics.top1_eager) == (None, None)
    assert verdicts(found) == {"nonfinite_values": True, "sqnr_db": False}


def test_outputs_that_do_not_classify() -> None:
    maps = [(np.ones((1, 3, 4, 4), np.float32),)] * 3
    found = compare(maps, maps, scheme="fp32", labels=[0, 1, 2])
    assert (found.metrics.samples, found.metrics.agreement, found.metrics.top1) == (3, None, None)
    assert verdicts(found) == {"nonfinite_values": True, "sqnr_db": True}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_value_that_is_not_finite_fails(bad: float) -> None:
    reference, candidate = logits([0] * 1000), logits([0] * 1000)
    candidate[7][0][0, 3] = bad
    found = compare(reference, candidate, scheme="int8")
    assert found.metrics.nonfinite == 1
    assert not verdicts(found)["nonfinite_values"]
    assert not verdicts(found)["sqnr_db"]


def test_limits_of_ones_own() -> None:
    strict = dataclasses.replace(thresholds("int8"), top1_drop_points=Limit(0.5, "the demo's aim"))
    reference, candidate = logits([0] * 1000), logits([1] * 8 + [0] * 992)
    labels = [0] * 1000
    assert verdicts(compare(reference, candidate, scheme="int8", labels=labels))["top1_drop_points"]
    assert not verdicts(compare(reference, candidate, scheme="int8", labels=labels, limits=strict))["top1_drop_points"]


def test_no_samples_is_no_pass() -> None:
    with pytest.raises(RunnerError, match="no samples"):
        compare([], [], scheme="fp32")


def test_fewer_answers_are_refused() -> None:
    with pytest.raises(RunnerError, match="answered 1 samples, the reference 2"):
        compare(logits([0, 1]), logits([0]), scheme="fp32")
