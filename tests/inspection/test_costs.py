"""Times of a .pte's calls become times by operator; what a delegate takes beyond its operators is the hand-over."""

from __future__ import annotations

from typing import Any

import pytest

from mobilekit.bundle.contents import Call
from mobilekit.inspection.costs import InsideTime, OperatorTime, Profile, StepTime, operator_times, program_times
from mobilekit.inspection.kinds import HAND_OVER


def call(operator: str | None, delegate: int | None = None) -> Call:
    return Call(method="forward", chain=0, instruction=0, operator=operator, delegate=delegate)


def step(place: int, microseconds: float) -> StepTime:
    return StepTime(call=place, microseconds=microseconds, share=microseconds / 100)


CALLS = [call(None, 0), call("aten::mean.out"), call(None, 1), call("aten::mean.out"), call(None, 2)]
INSIDE = [
    InsideTime(call=0, name="Convolution (NHWC, F32) IGEMM #1", microseconds=10),
    InsideTime(call=0, name="Convolution (NHWC, F32) IGEMM #2", microseconds=12),
    InsideTime(call=2, name="Convolution (NHWC, F32) IGEMM #1", microseconds=9),
    InsideTime(call=2, name="Softmax (NC, F32) #1", microseconds=3),
]


def profile(operators: tuple[OperatorTime, ...], total: float = 100, **values: Any) -> Profile:
    given = {"n": 3, "warmup": 0, "threads": 1, "between": 0, "processor": "one", "runtime": "a runtime 1", **values}
    return Profile.model_validate({**given, "microseconds": total, "operators": operators})


def test_operators_inside_and_outside_delegates_are_summed() -> None:
    steps = [step(0, 25), step(1, 7), step(2, 10), step(3, 8), step(4, 40)]
    found = program_times(CALLS, steps, INSIDE, {0: 2.5, 2: 0.5}, 8)
    assert [(one.name, one.kind, one.calls, one.microseconds, one.fallback) for one in found] == [
        ("delegate 2", "other", 1, 40, False),  # its backend tells nothing
        ("Convolution (NHWC, F32) IGEMM", "convolution", 3, 31, False),
        ("aten::mean.out", "pooling and reductions", 2, 15, True),
        ("Softmax (NC, F32)", "softmax", 1, 3, False),
        (HAND_OVER, HAND_OVER, 2, 3, False),
    ]
    assert sum(one.share for one in found) == pytest.approx(0.92), "the rest is between them"


def test_kinds_are_summed_with_their_part_outside_delegates() -> None:
    found = operator_times(
        [("Mean (ND)", False, 1, 5.0), ("aten::mean.out", True, 2, 10.0), ("Add (ND)", False, 1, 1.0)], 4
    )
    assert [one.share for one in found] == [0.5, 0.25, 0.05]
    assert profile(found, 20).by_kind() == {"pooling and reductions": (15, 10), "arithmetic": (1, 0)}


def test_a_profile_says_when_its_parts_are_not_the_whole() -> None:
    found = operator_times([("Add", False, 3, 40.0), ("Mul", False, 3, 50.0)], 5)
    assert not profile(found, 100, between=5).disturbed
    assert profile(found, 100, between=5).parts == 95
    assert profile(found, 200, between=5).disturbed, "other programs had the core for half of the time"
    assert profile((), 1).parts > 0, "nothing is divided by zero"


def test_a_coarse_clock_is_admitted() -> None:
    """Each of the four operators may have lost nearly a microsecond to the hand-over."""
    much, little = (operator_times([(HAND_OVER, False, 2, taken)], 0) for taken in (9.0, 1.5))
    assert (profile(much, inside=INSIDE).lost, profile(little, inside=INSIDE).lost) == (4, 1.5)
    finer = [*INSIDE, InsideTime(call=2, name="Add (ND) #1", microseconds=0.25)]
    assert profile(much, inside=finer).lost == 0
