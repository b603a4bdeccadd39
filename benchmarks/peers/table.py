"""Table: the page results/peers.md, rendered from the records. Says plainly where a peer is ahead. Measures nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from contenders import CONTENDERS, SCHEMES

Record = dict[str, Any]
TITLES = {one.name: one.title for one in CONTENDERS}
RUNTIMES = {one.name: one.runtime for one in CONTENDERS}
OURS = {one.name for one in CONTENDERS if one.ours}
CHANCE = 0.05
HEAD = """# Peers

`python benchmarks/peers/run.py run MODEL --data DATA` wrote this page: the same trained weights through mobilekit and
through others' tools, each with its own quantizer in its own environment and executed in its own runtime. Everybody
calibrates on the same tensors and answers the same test tensors, one at a time, with one thread on one core.

- **top-1**: of the test samples; **agrees**: answers that are PyTorch's own in float32.
- **median**: of n calls, in blocks of some 60 ms that take turns; in brackets the 95 % interval over rounds.
- **time / ours**: of the faster of mobilekit's two in the same scheme, round by round; below 1 the peer is faster.
- **export**: one run of one process that makes float and int8, imports included, on one core: by the clock, and in
  CPU seconds. Where a peer starts from the float ONNX file, exporting that by torch.onnx.export is in its time.
- mobilekit's files take batches of any size up to the recipe's, as `mobilekit export` makes them; peers' take one.
  Its export time is of capturing, quantizing and lowering; the command also verifies what it made.
- ncnn runs with its defaults: Winograd's convolutions, and what passes between layers stored as float16, on x86 as
  well. Its outputs for resnet20 are up to 1e-3 off PyTorch's, those of all others in fp32 below 1e-5 (50 samples).
"""


def read(path: Path) -> list[Record]:
    """The records so far; a line cut short by a full disk or a stop is left out."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


def page(records: Sequence[Record]) -> str:
    """A section for each model, from its last run."""
    runs = {record["model"]: record for record in records if record["kind"] == "run"}
    parts = [HEAD]
    for run in runs.values():
        rows = [one for one in records if one["kind"] == "row" and one["run"] == run["run"]]
        parts.append(
            "\n".join([f"## {run['model']}\n", _what(run), "", _rows(rows), "", *ahead(rows), "", _where(run, rows)])
        )
    return "\n".join(parts) + "\n"


def _what(run: Record) -> str:
    shape, eager = "x".join(map(str, run["shape"])), _percent(run["eager"])
    return f"{run['parameters']:,} parameters, input {shape}; {run['data']}. PyTorch in float32: {eager} top-1."


def _rows(rows: Iterable[Record]) -> str:
    lines = [
        "| | scheme | top-1 | agrees | median, ms (n) | time / ours | bytes | export, s (CPU s) |",
        "|:-|:-|-:|-:|-:|-:|-:|-:|",
    ]
    ordered = sorted(rows, key=lambda row: (SCHEMES.index(row["scheme"]), list(TITLES).index(row["contender"])))
    return "\n".join(lines + [_line(row) for row in ordered])


def _line(row: Record) -> str:
    head = f"| {TITLES[row['contender']]} | {row['scheme']} |"
    if "latency" not in row:
        return f"{head} {_escaped(row.get('reason', 'not timed'))} | | | | | |"
    latency, ratio, export = row["latency"], row.get("ratio"), row["export"]
    median = f"{latency['median_ms']:.3f} {_interval(latency['ci95'], 3)} ({latency['n']})"
    against = f"{ratio['value']:.2f} {_interval(ratio['ci95'], 2)}" if ratio else ""
    only = "" if len(export["schemes"]) == len(SCHEMES) else ", fp32 only"
    took = f"{export['seconds']:.0f} ({export['cpu_seconds']:.0f}){only}"
    shares = f"{_percent(row['accuracy'])} | {_percent(row['agreement'])}"
    return f"{head} {shares} | {median} | {against} | {row['bytes']:,} | {took} |"


def ahead(rows: Sequence[Record]) -> list[str]:
    """What peers do better than the better one of ours, line by line; what lies within chance is called that."""
    said = []
    for scheme in SCHEMES:
        these = [row for row in rows if row["scheme"] == scheme and "latency" in row]
        ours, peers = [[row for row in these if (row["contender"] in OURS) is mine] for mine in (True, False)]
        if not ours:
            continue
        for peer in peers:
            better = [*_faster(peer, ours), *_more_accurate(peer, ours), *_smaller(peer, ours)]
            if better:
                said.append(f"- {TITLES[peer['contender']]}, {scheme}: {'; '.join(better)}.")
    said += _sooner(rows)
    if not said:
        return ["No peer was ahead of mobilekit in anything measured here."]
    return [
        "**Where a peer is ahead of the better one of mobilekit's two, or of the one in its own runtime:**",
        "",
        *said,
    ]


def _faster(peer: Record, ours: Sequence[Record]) -> list[str]:
    """Than the faster of ours, by rounds; else than ours in the same runtime, where the intervals are apart."""
    ratio = peer.get("ratio")
    if ratio is not None and ratio["ci95"] is not None and ratio["ci95"][1] < 1:
        return [f"**faster**, {ratio['value']:.2f} {_interval(ratio['ci95'], 2)} of the time of {TITLES[ratio['to']]}"]
    for mine in ours:
        its, own = peer["latency"]["ci95"], mine["latency"]["ci95"]
        if RUNTIMES[mine["contender"]] == RUNTIMES[peer["contender"]] and its and own and its[1] < own[0]:
            times = peer["latency"]["median_ms"] / mine["latency"]["median_ms"]
            return [f"**faster** than {TITLES[mine['contender']]} in the same runtime, {times:.2f} of its time"]
    return []


def _more_accurate(peer: Record, ours: Sequence[Record]) -> list[str]:
    best = max(row["correct"] for row in ours)
    if peer["correct"] <= best:
        return []
    more = f"{peer['correct'] - best} more of {peer['n']} right"
    if peer["accuracy_p"] > CHANCE:
        return [f"{more}, which is within chance (p = {peer['accuracy_p']:.2f})"]
    return [f"**more accurate**, {more} (p = {peer['accuracy_p']:.3f})"]


def _smaller(peer: Record, ours: Sequence[Record]) -> list[str]:
    least = min(row["bytes"] for row in ours)
    return [f"**smaller** by {_percent(1 - peer['bytes'] / least)}"] if peer["bytes"] < least else []


def _sooner(rows: Sequence[Record]) -> list[str]:
    """By CPU seconds, which other work on the machine disturbs less than the clock."""
    whole = {
        row["contender"]: row["export"]["cpu_seconds"]
        for row in rows
        if "export" in row and len(row["export"]["schemes"]) == len(SCHEMES)
    }
    ours = [seconds for name, seconds in whole.items() if name in OURS]
    sooner = [(seconds, name) for name, seconds in whole.items() if name not in OURS and ours and seconds < min(ours)]
    return [
        f"- {TITLES[name]}: **exports in less time**, {seconds:.0f} CPU seconds against {min(ours):.0f}."
        for seconds, name in sorted(sooner)
    ]


def _where(run: Record, rows: Sequence[Record]) -> str:
    versions: dict[str, str] = {}
    for row in rows:
        versions |= row.get("versions", {})
    named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    disturbed, machine = run["noise"]["disturbances"], run["machine"]
    loads = [row["export"]["load"] for row in rows if "export" in row]
    quiet = "The machine was quiet while timing, as far as it tells"
    during = f"**While timing, {' and '.join(disturbed)}**: read ratios, not times" if disturbed else quiet
    sentences = (
        f"{run['date']}, {machine['processor']}, {machine['cores']} cores, Python {run['python']}",
        f"Commit {run['commit']}",
        named,
        f"{run['sessions']} sessions of {run['rounds']} rounds, every process started anew in each session",
        during,
        f"The load average was {_range(loads)} while converting, {run['load_before']:.1f} before timing and "
        f"{run['load_after']:.1f} after it",
    )
    return ". ".join(sentences) + "."


def _interval(ends: Sequence[float] | None, digits: int) -> str:
    return "" if ends is None else f"[{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}" if values else "not looked at"
