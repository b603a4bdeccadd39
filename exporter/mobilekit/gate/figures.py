"""Figures: what a bundle says of one variant without a clock, and the metrics that the gate holds against budgets.

All but latency are the same on every machine and in every run: a change of one is a change of the artifact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mobilekit.bundle.manifest import Artifact, Benchmark, Delegation, Verification

Kind = Literal["percent", "points"]


@dataclass(frozen=True)
class Metric:
    """One metric: its name, what its budget counts, and which way is worse. `budget` is the field of Budgets."""

    name: str
    title: str
    kind: Kind
    lower_is_better: bool = True

    @property
    def budget(self) -> str:
        return f"{self.name}_{self.kind}"

    def worsening(self, baseline: float, candidate: float) -> float:
        """How much worse, in percent or percentage points; below 0 it is better."""
        if self.kind == "points":
            change = 100 * (candidate - baseline)
        else:
            change = 100 * (candidate - baseline) / max(baseline, 1.0)  # counts: what was nothing counts as one
        return change if self.lower_is_better else -change


LATENCY = Metric("latency", "latency", "percent")
METRICS = (
    Metric("instructions", "Arm instructions", "percent"),
    Metric("bytes", "bytes", "percent"),
    Metric("delegated_share", "delegated share", "points", lower_is_better=False),
    Metric("planned_memory", "planned memory", "percent"),
    Metric("accuracy", "top-1", "points", lower_is_better=False),
    Metric("agreement", "agreement with eager", "points", lower_is_better=False),
)
"""Those that need no clock. Each is a field of Figures."""


@dataclass(frozen=True)
class Figures:
    """One variant. None: there is no such figure."""

    target: str
    scheme: str
    sha256: str
    bytes: float
    instructions: float | None = None
    instructions_cpu: str | None = None
    delegated_share: float | None = None
    planned_memory: float | None = None
    accuracy: float | None = None
    agreement: float | None = None
    passed: bool | None = None

    @property
    def variant(self) -> tuple[str, str]:
        return self.target, self.scheme

    def value(self, metric: Metric) -> float | None:
        found: float | None = getattr(self, metric.name)
        return found


def figures_of(
    target: str,
    scheme: str,
    *,
    size: int,
    sha256: str,
    delegation: Delegation | None,
    planned_memory_bytes: int | None,
    verification: Verification | None,
    benchmark: Benchmark | None,
) -> Figures:
    """The figures, from the parts that a manifest and a report share."""
    metrics, counted = verification.metrics if verification else None, benchmark.instructions if benchmark else None
    return Figures(
        target=target,
        scheme=scheme,
        sha256=sha256,
        bytes=size,
        instructions=counted.per_inference if counted else None,
        instructions_cpu=counted.cpu if counted else None,
        delegated_share=_share(delegation),
        planned_memory=planned_memory_bytes,
        accuracy=metrics.top1 if metrics else None,
        agreement=metrics.agreement if metrics else None,
        passed=verification.passed if verification else None,
    )


def figures_of_artifact(artifact: Artifact) -> Figures:
    """The figures that a bundle's manifest has of one artifact."""
    return figures_of(
        artifact.target,
        artifact.scheme,
        size=artifact.bytes,
        sha256=artifact.sha256,
        delegation=artifact.delegation,
        planned_memory_bytes=artifact.planned_memory_bytes,
        verification=artifact.verification,
        benchmark=artifact.benchmark,
    )


def _share(delegation: Delegation | None) -> float | None:
    if delegation is None:
        return None
    nodes = delegation.delegated_nodes + delegation.portable_nodes
    return delegation.delegated_nodes / nodes if nodes else None
