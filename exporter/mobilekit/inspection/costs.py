"""Costs: what a profile of a .pte says, as typed values. Measures nothing itself; profile.py does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

from pydantic import Field

from mobilekit.bundle.contents import Call, Count
from mobilekit.spec.base import Spec

Microseconds = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0)]


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
    """Medians over `n` traced runs."""

    n: Annotated[int, Field(ge=1)]
    warmup: Count
    threads: Annotated[int, Field(ge=1)]
    microseconds: Microseconds = Field(description="of the whole method, tracing included")
    steps: tuple[StepTime, ...]
    inside: tuple[InsideTime, ...] = Field(description="of delegates; the backend's clock, often whole microseconds")
    processor: str
    executorch: str

    def share_of(self, calls: Sequence[Call], *, delegates: bool) -> float:
        """Share of the time in delegates, or in kernels outside them."""
        return sum(step.share for step in self.steps if (calls[step.call].delegate is not None) == delegates)

    def of(self, places: Collection[int]) -> float:
        """Share of these calls together."""
        return sum(step.share for step in self.steps if step.call in places)
