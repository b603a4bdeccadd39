"""Instructions, as the terminal shows them: a small table of its own, where they were counted."""

from __future__ import annotations

from mobilekit.bundle.manifest import Manifest
from mobilekit.report.table import plain_table


def instructions_table(manifest: Manifest) -> str | None:
    """Per artifact, and against float of the same target; None where nothing was counted."""
    counted = [
        (artifact, artifact.benchmark.instructions)
        for artifact in manifest.artifacts
        if artifact.benchmark and artifact.benchmark.instructions
    ]
    if not counted:
        return None
    of_float = {(one.target, found.cpu): found.per_inference for one, found in counted if one.scheme == "fp32"}
    rows = []
    for one, found in counted:
        base = of_float.get((one.target, found.cpu))
        rows.append(
            (
                one.target,
                one.scheme,
                found.cpu,
                f"{found.per_inference:,}",
                f"{found.spread:,}",
                f"{found.per_inference / base:.2f}x" if base else "-",
            )
        )
    columns = ("target", "precision", "Arm core", "instructions per inference", "spread", "to fp32")
    return plain_table(columns, rows, left=frozenset({0, 1, 2}))
