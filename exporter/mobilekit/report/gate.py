"""Gate: the gate's findings as a table for the terminal (ASCII only) and as Markdown for a job's summary."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Console

from mobilekit.gate import METRICS, Finding, GateResult, Verdict
from mobilekit.gate.figures import LATENCY
from mobilekit.report.table import figure, plain_table

COLUMNS = ("variant", "metric", "baseline", "candidate", "change [95 %]", "budget", "verdict")
_LEFT = frozenset({0, 1, 6})
_KNOWN = {one.name: one for one in (LATENCY, *METRICS)}
_SIGNS = {
    Verdict.PASS: ":white_check_mark:",
    Verdict.REGRESSION: ":x:",
    Verdict.INCONCLUSIVE: ":warning:",
    Verdict.NOT_COMPARED: ":heavy_minus_sign:",
}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|])")
_COUNTS = ("bytes", "planned_memory", "instructions")


def print_gate(result: GateResult, console: Console) -> None:
    """The table, then what was noted, then the verdict in a sentence."""
    rows = [(*cells(one), _said(one)) for one in result.findings]
    lines = [plain_table(COLUMNS, rows, left=_LEFT), "", *(f"note: {note}" for note in result.notes)]
    for line in [*lines, sentence(result)]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def gate_markdown(result: GateResult) -> str:
    """A section for a job's summary or a pull request."""
    head = "| | " + " | ".join(COLUMNS) + " |\n|:-:|:-|:-|-:|-:|-:|-:|:-|"
    rows = [
        f"| {_SIGNS[one.verdict]} | " + " | ".join(_plain(cell) for cell in (*cells(one), _said(one))) + " |"
        for one in result.findings
    ]
    machine = result.environment.machine
    return "\n".join(
        [
            f"## {_SIGNS[result.verdict]} mobilekit gate: {result.verdict}",
            "",
            _plain(sentence(result)),
            "",
            head,
            *rows,
            "",
            *(f"- {_plain(note)}" for note in result.notes),
            f"- Budgets: {_plain(result.budgets_from)}. {_plain(machine.processor)}, {machine.cores} cores, "
            f"{result.seconds:.0f} s, seed {result.seed}, mobilekit {_plain(result.environment.mobilekit)}.",
            "",
        ]
    )


def cells(one: Finding) -> tuple[str, ...]:
    """All columns but the last."""
    return (
        f"{one.target}:{one.scheme}",
        title(one),
        _value(one, one.baseline),
        _value(one, one.candidate),
        _change(one),
        "-" if one.budget is None else f"{one.budget:g} {_unit(one)}",
    )


def title(one: Finding) -> str:
    """`latency ms`, `top-1 %`, `checks`"""
    known = _KNOWN.get(one.metric)
    if known is None:
        return one.metric
    return f"{known.title} ms" if known is LATENCY else f"{known.title} %" if known.kind == "points" else known.title


def sentence(result: GateResult) -> str:
    """`regression: xnnpack:int8 latency +5.1 % (budget 3 %)`, the verdict with what it rests on."""
    about = [one for one in result.findings if one.verdict is result.verdict]
    if result.verdict is Verdict.PASS:
        return f"pass: {len(about)} of {len(result.findings)} figures compared, all within their budgets"
    return f"{result.verdict}: " + "; ".join(in_words(one) for one in about)


def in_words(one: Finding) -> str:
    """One finding on one line."""
    change = "" if one.worsening is None else f" {_change(one)} (budget {one.budget:g} {_unit(one)})"
    return f"{one.target}:{one.scheme} {title(one)}{change}" + (f": {one.reason}" if one.reason else "")


def failures(findings: Sequence[Finding]) -> list[Finding]:
    """Those that a reader must look at."""
    return [one for one in findings if one.verdict in (Verdict.REGRESSION, Verdict.INCONCLUSIVE)]


def _said(one: Finding) -> str:
    return f"{one.verdict}: {one.reason}" if one.reason else str(one.verdict)


def _value(one: Finding, value: float | None) -> str:
    if value is None:
        return "-"
    if one.metric in _COUNTS:
        return f"{value:,.0f}"
    return f"{100 * value:.2f}" if one.unit == "points" else figure(value)


def _change(one: Finding) -> str:
    """As it is read, not as it is judged: a top-1 that falls has a minus."""
    if one.worsening is None:
        return "-"
    known = _KNOWN.get(one.metric)
    sign = -1 if known is not None and not known.lower_is_better else 1
    text = f"{sign * one.worsening + 0.0:+.2f} {_unit(one)}"
    if one.low is None and one.high is None:
        return text
    ends = ", ".join("?" if end is None else f"{end:+.1f}" for end in (one.low, one.high))
    return f"{text} [{ends}]"


def _unit(one: Finding) -> str:
    return "points" if one.unit == "points" else "%"


def _plain(text: str) -> str:
    """On one line, nothing in it markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
