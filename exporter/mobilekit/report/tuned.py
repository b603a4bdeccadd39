"""Tuned: what a search tried and what it came to, as typed values: the record that tables, charts and JSON are made of.

A trial's latency is relative to the plain float artifact of the machine that took it: milliseconds of two machines are
never compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from mobilekit.bundle.manifest import Interval
from mobilekit.environment import Environment
from mobilekit.spec import QuantizeSpec
from mobilekit.spec.base import Spec

Objective = Literal["latency", "size"]
Count = Annotated[int, Field(ge=0)]


class Pace(Spec):
    """Milliseconds of a call, taken in turns with the reference: the plain float artifact on the same machine."""

    median_ms: float
    iqr_ms: float
    n: Count
    reference_ms: float
    ratio: float = Field(description="median over rounds of this one's median over the reference's; below 1 is faster")
    ratio_ci95: Interval | None = None
    threads: Annotated[int, Field(ge=1)]
    machine: str = Field(description="the processor and its number of cores")


class Loss(Spec):
    """What an artifact loses against eager on the samples that the search goes by."""

    samples: Count
    drop_points: float = Field(description="of top-1; where there are no labels, of agreement with eager")
    top1: float | None = None
    top1_eager: float | None = None
    failed_checks: tuple[str, ...] = Field(default=(), description="thresholds of docs/verification.md that it missed")


class Trial(Spec):
    """One candidate. `error`: why it has no figures."""

    number: Count | None = Field(description="in the study; null: made for the finals only")
    name: str
    target: str
    scheme: str
    plain: bool = Field(description="as `mobilekit export` makes it, where nothing else is said")
    options: QuantizeSpec | None = Field(default=None, description="of schemes that are calibrated")
    bytes: Count | None = None
    sha256: str | None = None
    pace: Pace | None = None
    loss: Loss | None = None
    error: str | None = None

    def cost(self, objective: Objective) -> float | None:
        """What the search makes small; None where it was not measured."""
        if objective == "size":
            return self.bytes
        return self.pace.ratio if self.pace else None

    def within(self, max_drop: float) -> bool:
        """Whether it was measured, loses no more than `max_drop` points and passed its thresholds."""
        return self.loss is not None and self.loss.drop_points <= max_drop + 1e-9 and not self.loss.failed_checks


class Finalist(Spec):
    """A candidate in the comparison at the end: all in turns, in one run, on this machine."""

    trial: Trial
    median_ms: float
    iqr_ms: float
    against_plain: float | None = Field(
        default=None, description="its time over that of the best plain artifact, over many pairs of new processes"
    )
    against_plain_ci: Interval | None = None
    sessions: Count | None = None
    verdict: str


class Outcome(Spec):
    """What the winner's bundle showed on test data, which nothing was chosen by."""

    samples: Count
    top1: float | None
    top1_eager: float | None
    drop_points: float


class TuneResult(Spec):
    """Of one search. `met` false: no candidate is within the budget, and the winner is the most accurate one."""

    format: Literal["mobilekit-tune"] = "mobilekit-tune"
    version: Literal[1] = 1
    model: str
    study: str
    storage: str
    objective: Objective
    max_drop: float
    trials: tuple[Trial, ...]
    front: tuple[Count | None, ...] = Field(description="trials that none beats in both cost and accuracy, by number")
    finalists: tuple[Finalist, ...] = ()
    winner: Trial | None = None
    met: bool = False
    test: Outcome | None = None
    bundle: str | None = None
    plot: str | None = None
    notes: tuple[str, ...] = ()
    seconds: float
    environment: Environment


def front(trials: Sequence[Trial], objective: Objective) -> tuple[Trial, ...]:
    """Those that no other beats in one of cost and accuracy without losing in the other: from the least cost on."""
    measured = [(one, cost, one.loss.drop_points) for one in trials if one.loss and (cost := one.cost(objective))]
    best: list[Trial] = []
    least = float("inf")
    for one, _, drop in sorted(measured, key=lambda item: (item[1], item[2], item[0].number)):
        if drop < least:
            best.append(one)
            least = drop
    return tuple(best)
