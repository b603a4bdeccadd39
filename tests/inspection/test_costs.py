"""Times of a .pte's calls become times by operator; what a delegate takes beyond its operators is the hand-over."""

from __future__ import annotations

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


def profile(operators: tuple[OperatorTime, ...], total: float = 100) -> Profile:
    return Profile(
        n=3,
        warmup=0,
        threads=1,
        microseconds=total,
        operators=operators,
        processor="a processor",
        runtime="a runtime 1",
    )


def test_operators_inside_and_outside_delegates_are_summed() -> None:
    steps = [step(0, 25), step(1, 7), step(2, 10), step(3, 8), step(4, 40)]
    found = program_times(CALLS, steps, INSIDE, 100)
    assert [(one.name, one.kind, one.calls, one.microseconds, one.fallback) for one in found] == [
        ("delegate 2", "other", 1, 40, False),  # its backend tells nothing
        ("Convolution (NHWC, F32) IGEMM", "convolution", 3, 31, False),
        ("aten::mean.out", "pooling and reductions", 2, 15, True),
        ("Softmax (NC, F32)", "softmax", 1, 3, False),
        # Of delegate 1 nothing is left: the backend's clock is coarser.
        (HAND_OVER, HAND_OVER, 2, 3, False),
    ]
    assert sum(one.share for one in found) == pytest.approx(0.92)


def test_kinds_are_summed_with_their_part_outside_delegates() -> None:
    found = operator_times(
        [("Mean (ND)", False, 1, 5.0), ("aten::mean.out", True, 2, 10.0), ("Add (ND)", False, 1, 1.0)], 20
    )
    assert profile(found, 20).by_kind() == {"pooling and reductions": (15, 10), "arithmetic": (1, 0)}


def test_what_is_between_is_never_less_than_nothing() -> None:
    found = operator_times([("Add", False, 3, 0.1), ("Mul", False, 3, 0.2)], 0.3)
    assert profile(found, 0.3).between == 0, "not a rounding error"
    assert profile(found, 0.2).between == 0
    assert profile(found, 1).between == 0.7
