"""The page docs/torchvision.md, written from the results of breadth.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Record = dict[str, Any]
HERE = Path(__file__).resolve().parent
PAIRS = tuple((target, scheme) for target in ("xnnpack", "onnx", "coreml") for scheme in ("fp32", "int8"))


def page(records: Sequence[Record]) -> str:
    """Markdown: what was run and how, a table for each task, and what was refused, in the words of the refusal."""
    text = (HERE / "torchvision.md.in").read_text(encoding="utf-8")
    parts = {
        "versions": _versions(records),
        "tables": "\n".join(f"## {task.capitalize()}\n\n{_table(records, task)}" for task in _tasks(records)),
        "refusals": _refusals(records),
    }
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part.rstrip("\n"))
    return text


def _tasks(records: Iterable[Record]) -> list[str]:
    found = {record["task"] for record in records}
    return [task for task in ("classification", "segmentation", "detection") if task in found]


def _versions(records: Iterable[Record]) -> str:
    """All versions that any record was made with: `torch 2.14.1, torchvision 0.29.2`."""
    seen: dict[str, set[str]] = {}
    for record in records:
        for package, version in record["versions"].items():
            seen.setdefault(package, set()).add(str(version))
    return ", ".join(f"{package} {' and '.join(sorted(versions))}" for package, versions in seen.items())


def _table(records: Sequence[Record], task: str) -> str:
    head = ["architecture", "input", *(f"{target} {scheme}" for target, scheme in PAIRS), "noise", "portable operators"]
    rows = [head, ["-"] * len(head)]
    mine = [record for record in records if record["task"] == task]
    for name in sorted({record["name"] for record in mine}, key=lambda one: (_family(mine, one), one)):
        own = {(record["target"], record["scheme"]): record for record in mine if record["name"] == name}
        side = next(iter(own.values()))["side"]
        cells = [_cell(own.get(pair)) for pair in PAIRS]
        noise = next((f"{one['noise_db']:.0f} dB" for one in own.values() if one.get("noise_db") is not None), "")
        rows.append([f"`{name}`", f"{side} px", *cells, noise, _portable(own)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _family(records: Iterable[Record], name: str) -> str:
    return str(next(record["family"] for record in records if record["name"] == name))


def _cell(record: Record | None) -> str:
    """`128 dB, 1 delegate`; `equal` where every output is the same to the bit."""
    if record is None:
        return "not run"
    if record["status"] != "ok":
        return f"**{record['status']}**"
    if not record["executed"]:
        quality = "converts"
    else:
        quality = "equal" if record["sqnr_db"] is None else f"{record['sqnr_db']:.0f} dB"
    parts = [quality]
    if "delegates" in record:
        parts.append(f"{record['delegates']} delegate{'s' if record['delegates'] != 1 else ''}")
    return ", ".join(parts)


def _portable(own: dict[tuple[str, str], Record]) -> str:
    """What is outside delegates in the .pte, float and int8 apart only where they differ."""
    said = {}
    for scheme in ("fp32", "int8"):
        found = own.get(("xnnpack", scheme), {}).get("portable")
        if found is not None:
            said[scheme] = ", ".join(f"`{name}` {count}" for name, count in found.items()) or "none"
    if len(set(said.values())) <= 1:
        return next(iter(said.values()), "")
    return "; ".join(f"{scheme}: {text}" for scheme, text in said.items())


def _refusals(records: Iterable[Record]) -> str:
    lines = []
    for record in records:
        if record["status"] != "ok":
            where = f"`{record['name']}`, {record['target']} {record['scheme']}"
            hint = f" Hint: {record['hint']}" if record.get("hint") else ""
            lines.append(f"- {where} ({record.get('stage', record['status'])}): {_plain(record['error'])}{hint}")
    return "\n".join(sorted(set(lines))) or "None."


def _plain(text: str) -> str:
    return " ".join(text.split())
