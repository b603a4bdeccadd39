"""Instructions, as the terminal shows them: a small table of its own, where they were counted."""

from __future__ import annotations

from mobilekit.bundle.manifest import Manifest
from mobilekit.report.table import plain_table

_COLUMNS = ("target", "precision", "Arm core", "instructions per inference", "spread", "to fp32")


def instructions_text(manifest: Manifest, width: int | None = None) -> str | None:
    """A row per artifact, against float of the same target; a sentence each where `width` is too narrow for the table.

    None where nothing was counted.
    """
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
        ratio = f"{found.per_inference / base:.2f}x" if base else "-"
        rows.append((one.target, one.scheme, found.cpu, f"{found.per_inference:,}", f"{found.spread:,}", ratio))
    table = plain_table(_COLUMNS, rows, left=frozenset({0, 1, 2}))
    if width is None or max(map(len, table.splitlines())) <= width:
        return table
    return "\n".join(
        f"{target} {scheme} on {cpu}: {count} instructions per inference (spread {spread}, {ratio} of fp32)"
        for target, scheme, cpu, count, spread, ratio in rows
    )
