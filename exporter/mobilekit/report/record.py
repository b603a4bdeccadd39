"""Record: report.json, the results for programs: every row with the evidence behind it. docs/bundle.md explains it."""

from __future__ import annotations

from typing import Literal

from mobilekit.bundle.manifest import Benchmark, Calibration, Delegation, Manifest, ModelEntry, TestData, Verification
from mobilekit.environment import Environment
from mobilekit.report.caveats import caveats
from mobilekit.report.table import Row, result_rows
from mobilekit.report.verdict import Verdict, verdicts
from mobilekit.spec.base import Spec


class Result(Spec):
    """One artifact: its row of the table, what the row was made from, and whether to ship it.

    A report of an older release has no verdict.
    """

    row: Row
    verdict: Verdict | None = None
    file: str
    bytes: int
    sha256: str
    verification: Verification | None
    benchmark: Benchmark | None
    delegation: Delegation | None = None
    planned_memory_bytes: int | None = None


class Report(Spec):
    """report.json."""

    format: Literal["mobilekit-report"] = "mobilekit-report"
    version: Literal[1] = 1
    created: str
    model: ModelEntry
    warnings: tuple[str, ...]
    results: tuple[Result, ...]
    calibration: Calibration | None
    test_data: TestData | None
    environment: Environment


def report_of(manifest: Manifest) -> Report:
    """The results of a bundle."""
    artifacts = {(artifact.target, artifact.scheme): artifact for artifact in manifest.artifacts}
    results = []
    for row, verdict in zip(result_rows(manifest), verdicts(manifest), strict=True):
        artifact = artifacts[row.target, row.precision]
        results.append(
            Result(
                row=row,
                verdict=verdict,
                file=artifact.file,
                bytes=artifact.bytes,
                sha256=artifact.sha256,
                verification=artifact.verification,
                benchmark=artifact.benchmark,
                delegation=artifact.delegation,
                planned_memory_bytes=artifact.planned_memory_bytes,
            )
        )
    return Report(
        created=manifest.created,
        model=manifest.model,
        warnings=caveats(manifest),
        results=tuple(results),
        calibration=manifest.calibration,
        test_data=manifest.test_data,
        environment=manifest.environment,
    )


def report_json(manifest: Manifest) -> str:
    """The content of report.json."""
    return report_of(manifest).model_dump_json(indent=2) + "\n"
