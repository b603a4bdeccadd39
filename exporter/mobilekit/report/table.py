"""Table: the result rows of a bundle, the one source of the terminal table, report.md and report.json.

Never a tick for what was not run: such a row has no figures, and its status says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from mobilekit.bundle.manifest import Artifact, Manifest
from mobilekit.quantize.schemes import SCHEMES
from mobilekit.spec.base import Spec

REFERENCE = "eager"
NOT_EXECUTED = "converted, not executed here"
Outcome = Literal["reference", "passed", "failed", "unchecked", "not executed", "not verified"]


class Row(Spec):
    """One artifact's result. A figure is None where it was not measured."""

    target: str
    precision: str
    top1_percent: float | None
    top1_change_points: float | None = Field(description="percentage points against eager on the same samples")
    sqnr_db: float | None = Field(description="None also when bit_equal")
    bit_equal: bool = Field(description="every output value equals eager's, so that the SQNR has no number")
    median_ms: float | None
    latency_ratio: float | None = Field(description="median over eager's median; below 1 is faster")
    megabytes: float = Field(description="10^6 bytes")
    size_ratio: float | None = Field(description="bytes over those of the eager reference; below 1 is smaller")
    outcome: Outcome
    status: str = Field(description="the outcome in words, with the checks that failed")


def result_rows(manifest: Manifest) -> tuple[Row, ...]:
    """A row per artifact: the eager reference first, then in the bundle's order."""
    reference = next((one for one in manifest.artifacts if one.target == REFERENCE), None)
    ordered = sorted(manifest.artifacts, key=lambda one: one.target != REFERENCE)
    return tuple(_row(manifest, artifact, reference) for artifact in ordered)


def _row(manifest: Manifest, artifact: Artifact, reference: Artifact | None) -> Row:
    metrics = artifact.verification.metrics if artifact.verification else None
    latency = artifact.benchmark.latency if artifact.benchmark else None
    top1, top1_eager = (metrics.top1, metrics.top1_eager) if metrics else (None, None)
    outcome = _outcome(manifest, artifact)
    return Row(
        target=artifact.target,
        precision=artifact.scheme,
        top1_percent=None if top1 is None else 100 * top1,
        top1_change_points=None if top1 is None or top1_eager is None else 100 * (top1 - top1_eager),
        sqnr_db=metrics.sqnr_db if metrics else None,
        bit_equal=metrics is not None and metrics.sqnr_db is None and metrics.max_abs_error == metrics.nonfinite == 0,
        median_ms=latency.median_ms if latency else None,
        latency_ratio=latency.ratio_to_eager if latency else None,
        megabytes=artifact.bytes / 1e6,
        size_ratio=artifact.bytes / reference.bytes if reference and reference.bytes else None,
        outcome=outcome,
        status=_status(manifest, artifact, outcome),
    )


def _outcome(manifest: Manifest, artifact: Artifact) -> Outcome:
    verification = artifact.verification
    if artifact.target == REFERENCE:
        return "reference"
    if verification is None:
        return "not verified"
    if not verification.executed:
        return "not executed"
    if verification.passed is False:
        return "failed"
    return "passed" if verification.passed and _unjudged(manifest, artifact) is None else "unchecked"


def _unjudged(manifest: Manifest, artifact: Artifact) -> str | None:
    """Why the accuracy of a quantized artifact was not judged: how much it loses depends on real weights and data."""
    if not is_quantized(artifact.scheme):
        return None
    if not manifest.model.trained:
        return "random weights"
    return "random input" if manifest.test_data is None or manifest.test_data.generated else None


def _status(manifest: Manifest, artifact: Artifact, outcome: Outcome) -> str:
    checks = artifact.verification.checks if artifact.verification else ()
    text = {
        "failed": "FAILED: " + ", ".join(check.name for check in checks if not check.passed),
        "not executed": NOT_EXECUTED,
        "unchecked": "executed, nothing checked",
    }.get(outcome, outcome)
    unjudged = _unjudged(manifest, artifact)
    if outcome == "unchecked" and unjudged is not None:
        text = f"executed, not judged: {unjudged}"
    if manifest.calibration and manifest.calibration.generated and is_calibrated(artifact.scheme):
        text += "; scales from random input"
    return text


def batch_of(manifest: Manifest) -> int:
    """The batch that latencies were measured at: the first dimension of a sample's first input."""
    shape = manifest.inputs[0].sized() if manifest.inputs else ()
    return shape[0] if shape else 1


def is_quantized(scheme: str) -> bool:
    """Whether the scheme may cost accuracy: everything that is not a plain float precision. Any name is taken, since
    a bundle may come from another release."""
    return not scheme.startswith(("fp", "bf"))


def is_calibrated(scheme: str) -> bool:
    """Whether its scales come from data. Of a scheme that is not known here this is assumed."""
    return SCHEMES[scheme].calibrated if scheme in SCHEMES else is_quantized(scheme)


def figure(value: float | None) -> str:
    """Two or three digits: 407, 51.6, 4.81, 0.012, 0.00024; `-` for what was not measured."""
    if value is None:
        return "-"
    size = abs(value)
    if 0 < size < 0.01:
        return f"{value:.2g}"
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{digits}f}"


def ratio(value: float | None) -> str:
    """`0.24x`, or `-`."""
    return "-" if value is None else f"{value:.2f}x"


def percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def points(value: float | None) -> str:
    """`+0.28`, `-0.56`, `0.00`, or `-`."""
    if value is None:
        return "-"
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def sqnr(row: Row) -> str:
    return "equal" if row.bit_equal else "-" if row.sqnr_db is None else f"{row.sqnr_db:.1f}"


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: frozenset[int]) -> str:
    """Aligned columns of plain text; those in `left` are left-aligned, figures are right-aligned."""
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]
    lines = []
    for row in (columns, tuple("-" * width for width in widths), *rows):
        cells = (
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
