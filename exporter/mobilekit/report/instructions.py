"""Instructions, as the terminal shows them: small tables of their own, in all and by operator, where counted."""

from __future__ import annotations

from collections.abc import Iterator

from mobilekit.bundle.manifest import Artifact, Manifest
from mobilekit.bundle.measured import Instructions
from mobilekit.report.table import plain_table

_COLUMNS = ("target", "precision", "Arm core", "instructions per inference", "spread", "to fp32")
_BY_OPERATOR = ("target", "precision", "operator", "calls", "instructions", "share")
_LEFT = frozenset({0, 1, 2})
_MOST_COSTLY = 5

Counted = tuple[Artifact, Instructions]


def instructions_text(manifest: Manifest, width: int | None = None) -> str | None:
    """A row per artifact, against float of the same target, and below them the most costly operators of each.

    Sentences where `width` is too narrow for a table. None where nothing was counted.
    """
    counted = [
        (artifact, artifact.benchmark.instructions)
        for artifact in manifest.artifacts
        if artifact.benchmark and artifact.benchmark.instructions
    ]
    if not counted:
        return None
    operators = _operators(counted, width)
    return f"{_whole(counted, width)}\n\n{operators}" if operators else _whole(counted, width)


def _whole(counted: list[Counted], width: int | None) -> str:
    of_float = {(one.target, found.cpu): found.per_inference for one, found in counted if one.scheme == "fp32"}
    rows = []
    for one, found in counted:
        base = of_float.get((one.target, found.cpu))
        ratio = f"{found.per_inference / base:.2f}x" if base else "-"
        rows.append((one.target, one.scheme, found.cpu, f"{found.per_inference:,}", f"{found.spread:,}", ratio))
    table = plain_table(_COLUMNS, rows, left=_LEFT)
    if _fits(table, width):
        return table
    return "\n".join(
        f"{target} {scheme} on {cpu}: {count} instructions per inference (spread {spread}, {ratio} of fp32)"
        for target, scheme, cpu, count, spread, ratio in rows
    )


def _operators(counted: list[Counted], width: int | None) -> str | None:
    rows = [
        (one.target, one.scheme, name, calls, f"{taken:,}", f"{taken / found.per_inference:.1%}")
        for one, found in counted
        for name, calls, taken in _parts(found)
    ]
    table = plain_table(_BY_OPERATOR, rows, left=_LEFT)
    if not rows or _fits(table, width):
        return table if rows else None
    lines: dict[str, list[str]] = {}
    for target, scheme, name, _, taken, share in rows:
        lines.setdefault(f"{target} {scheme}", []).append(f"{name} {taken} ({share})")
    return "\n".join(f"{artifact}: {', '.join(parts)}" for artifact, parts in lines.items())


def _parts(found: Instructions) -> Iterator[tuple[str, str, int]]:
    """Name, calls and instructions of the most costly operators, of the others together, and of what is between."""
    if not found.operators:
        return
    for one in found.operators[:_MOST_COSTLY]:
        yield one.name, str(one.calls), one.instructions
    others = found.operators[_MOST_COSTLY:]
    if others:
        calls, taken = (sum(values) for values in zip(*((one.calls, one.instructions) for one in others), strict=True))
        yield f"{len(others)} other kinds" if len(others) > 1 else others[0].name, str(calls), taken
    yield "between them", "", found.per_inference - sum(one.instructions for one in found.operators)


def _fits(table: str, width: int | None) -> bool:
    return width is None or max(map(len, table.splitlines())) <= width
