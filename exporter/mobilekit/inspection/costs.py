"""Costs: what a profile of an artifact says, as typed values. Measures nothing itself; profile.py does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from mobilekit.bundle.contents import Call, Count
from mobilekit.inspection.kinds import HAND_OVER, kind_of
from mobilekit.spec.base import Spec

Microseconds = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0)]
_FAR = 0.1


class OperatorTime(Spec):
    """All calls of one operator in an inference together."""

    name: str = Field(description="as its runtime calls it; XNNPACK's without the number that each call has")
    kind: str = Field(description="of work, by the table kinds.toml: the same for every runtime")
    calls: Count
    microseconds: Microseconds
    share: Share = Field(description="of all operators and what is between them")
    fallback: bool = Field(default=False, description="a kernel outside the delegates of a .pte")


class StepTime(Spec):
    """One call of the program: its median, and that over the median of the whole."""

    call: Count = Field(description="its place in `calls`")
    microseconds: Microseconds
    share: Share


class InsideTime(Spec):
    """One operator inside a delegate, as the backend names it."""

    call: Count
    name: str
    microseconds: Microseconds


class Profile(Spec):
    """Medians over `n` traced runs, each part's own: on a busy machine they add up to less than the whole."""

    n: Annotated[int, Field(ge=1)]
    warmup: Count
    threads: Annotated[int, Field(ge=1)]
    sizes: tuple[tuple[Count, ...], ...] = Field(default=(), description="the shapes of the inputs, which are random")
    microseconds: Microseconds = Field(
        description="of the whole inference, tracing included; of a .pt2 of its operators together, since what runs "
        "between them is the tracer's own"
    )
    operators: tuple[OperatorTime, ...] = Field(description="the slowest first")
    between: Microseconds = Field(description="of the inference, what no operator and no delegate took")
    steps: tuple[StepTime, ...] = Field(default=(), description="of a .pte")
    inside: tuple[InsideTime, ...] = Field(
        default=(), description="of a .pte's delegates; the backend's clock, often whole microseconds"
    )
    processor: str
    runtime: str = Field(description="with its version")

    @property
    def parts(self) -> float:
        """Microseconds of operators and what is between them together; never 0."""
        return max(1e-3, sum(one.microseconds for one in self.operators) + self.between)

    @property
    def disturbed(self) -> bool:
        """Whether the parts are so far from the whole that other programs must have had the core in between."""
        return abs(self.parts - self.microseconds) > _FAR * self.microseconds

    @property
    def lost(self) -> float:
        """Microseconds of the hand-over, at most, that operators took which a clock of whole microseconds cuts off."""
        hand_over = sum(one.microseconds for one in self.operators if one.kind == HAND_OVER)
        coarse = all(one.microseconds.is_integer() for one in self.inside)
        return min(hand_over, float(len(self.inside))) if coarse else 0.0

    def share_of(self, calls: Sequence[Call], *, delegates: bool) -> float:
        """Share of a .pte's time in delegates, or in kernels outside them."""
        return sum(step.share for step in self.steps if (calls[step.call].delegate is not None) == delegates)

    def of(self, places: Collection[int]) -> float:
        """Share of these calls of a .pte together."""
        return sum(step.share for step in self.steps if step.call in places)

    def by_kind(self) -> dict[str, tuple[float, float]]:
        """Microseconds of each kind that occurs: in all, and of that in kernels outside delegates."""
        sums: dict[str, tuple[float, float]] = {}
        for one in self.operators:
            whole, outside = sums.get(one.kind, (0.0, 0.0))
            sums[one.kind] = (
                whole + one.microseconds,
                outside + (one.microseconds if one.fallback else 0.0),
            )
        return sums


def operator_times(times: Sequence[tuple[str, bool, int, float]], between: float) -> tuple[OperatorTime, ...]:
    """Entries of name, fallback, calls and microseconds, the slowest first, with their shares.

    Not shares of the whole inference, which other programs lengthen more than each of its parts.
    """
    total = sum(taken for *_, taken in times) + between
    found = (
        OperatorTime(
            name=name,
            kind=kind_of(name),
            calls=calls,
            microseconds=taken,
            share=taken / total if total else 0.0,
            fallback=fallback,
        )
        for name, fallback, calls, taken in times
    )
    return tuple(sorted(found, key=lambda one: (-one.microseconds, one.name)))


def program_times(
    calls: Sequence[Call],
    steps: Sequence[StepTime],
    inside: Sequence[InsideTime],
    hand_overs: Mapping[int, float],
    between: float,
) -> tuple[OperatorTime, ...]:
    """The operators of a .pte: those inside delegates where the backend tells, and kernels outside.

    What a delegate takes beyond the operators inside it is the hand-over to it: microseconds by its place in `calls`.
    """
    sums: dict[tuple[str, bool], tuple[int, float]] = {}

    def add(name: str, fallback: bool, microseconds: float) -> None:
        count, taken = sums.get((name, fallback), (0, 0.0))
        sums[name, fallback] = count + 1, taken + microseconds

    for one in inside:
        # Without the number that XNNPACK gives each: operators are compared, not places.
        add(one.name.partition(" #")[0], False, one.microseconds)
    for step in steps:
        call = calls[step.call]
        if call.operator is not None:
            add(call.operator, True, step.microseconds)
        elif step.call in hand_overs:
            add(HAND_OVER, False, hand_overs[step.call])
        else:
            add(f"delegate {call.delegate}", False, step.microseconds)
    return operator_times([(*key, *value) for key, value in sums.items()], between)
