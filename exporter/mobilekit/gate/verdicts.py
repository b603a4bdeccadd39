"""Verdicts: what was found for each metric of each variant, and what that means for the whole."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from mobilekit.environment import Environment
from mobilekit.gate.budgets import GateBudgets
from mobilekit.spec.base import Spec


class Verdict(StrEnum):
    """`not compared` is no verdict: a figure that is not there, or that two runs cannot be compared by."""

    PASS = "pass"
    REGRESSION = "regression"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARED = "not compared"


class Finding(Spec):
    """One metric of one variant."""

    target: str
    scheme: str
    metric: str
    unit: Literal["percent", "points"] | None = None
    baseline: float | None = Field(
        default=None, description="the figure; of latency ms of an undisturbed call, in this run"
    )
    candidate: float | None = None
    worsening: float | None = Field(default=None, description="in `unit`; below 0 the candidate is better")
    low: float | None = Field(default=None, description="where the worsening lies with 95 % confidence")
    high: float | None = None
    budget: float | None = None
    verdict: Verdict
    reason: str = ""
    sessions: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="pairs of new processes that the latency was compared in"
    )
    more_seconds: float | None = Field(default=None, description="how much longer it would have to run, roughly")


class GateResult(Spec):
    """What `mobilekit gate --json` prints."""

    format: Literal["mobilekit-gate"] = "mobilekit-gate"
    version: Literal[1] = 1
    verdict: Verdict
    baseline: str
    candidate: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    budgets: GateBudgets
    budgets_from: str
    seconds: Annotated[float, Field(ge=0)]
    seed: int
    environment: Environment


def overall(findings: Sequence[Finding]) -> Verdict:
    """The worst of them: a regression is one whatever else is unknown."""
    found = {one.verdict for one in findings}
    for verdict in (Verdict.REGRESSION, Verdict.INCONCLUSIVE):
        if verdict in found:
            return verdict
    return Verdict.PASS if Verdict.PASS in found else Verdict.INCONCLUSIVE
