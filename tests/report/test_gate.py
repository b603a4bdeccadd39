"""The gate's findings in every form: readable, parseable, and nothing in a name becomes markup or a command."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mobilekit.environment import describe
from mobilekit.gate import Finding, GateBudgets, GateResult, Verdict, overall
from mobilekit.report.ci import gate_junit, github_annotations
from mobilekit.report.gate import failures, gate_markdown, print_gate, sentence

LATENCY = Finding(
    target="xnnpack",
    scheme="int8",
    metric="latency",
    unit="percent",
    baseline=4.0,
    candidate=4.24,
    worsening=6.0,
    low=4.1,
    high=8.0,
    budget=3,
    verdict=Verdict.REGRESSION,
    sessions=9,
)
ACCURACY = Finding(
    target="onnx",
    scheme="int8",
    metric="accuracy",
    unit="points",
    baseline=0.95,
    candidate=0.94,
    worsening=1.0,
    budget=0.5,
    verdict=Verdict.REGRESSION,
)
BYTES = Finding(
    target="onnx",
    scheme="int8",
    metric="bytes",
    unit="percent",
    baseline=100_000,
    candidate=99_000,
    worsening=-1.0,
    budget=1,
    verdict=Verdict.PASS,
)
OPEN = LATENCY.model_copy(
    update={"verdict": Verdict.INCONCLUSIVE, "high": None, "reason": "not decided", "more_seconds": 40.0}
)
ABSENT = Finding(target="coreml", scheme="fp16", metric="latency", verdict=Verdict.NOT_COMPARED, reason="not here")


def result(*findings: Finding, note: str = "a note", name: str = "b") -> GateResult:
    return GateResult(
        verdict=overall(findings),
        baseline="a",
        candidate=name,
        findings=findings,
        notes=(note,),
        budgets=GateBudgets(),
        budgets_from="the defaults",
        seconds=12.5,
        seed=0,
        environment=describe(),
    )


def printed(one: GateResult) -> str:
    stream = io.StringIO()
    print_gate(one, Console(file=stream, width=40))
    return stream.getvalue()


def test_the_table_shows_changes_as_they_are_read() -> None:
    text = printed(result(LATENCY, ACCURACY, BYTES, ABSENT))
    assert text.isascii()
    rows = {line.split()[0] + " " + line.split()[1]: line for line in text.splitlines() if ":" in line.split(" ")[0]}
    assert "4.00       4.24  +6.00 % [+4.1, +8.0]" in rows["xnnpack:int8 latency"]
    assert "95.00      94.00          -1.00 points" in rows["onnx:int8 top-1"]
    assert "100,000     99,000               -1.00 %" in rows["onnx:int8 bytes"]
    assert "not compared: not here" in rows["coreml:fp16 latency"]
    assert "note: a note" in text
    assert text.splitlines()[-1] == (
        "regression: xnnpack:int8 latency ms +6.00 % [+4.1, +8.0] (budget 3 %); "
        "onnx:int8 top-1 % -1.00 points (budget 0.5 points)"
    )


def test_the_sentence_of_a_pass_and_of_what_is_open() -> None:
    assert sentence(result(BYTES)) == "pass: 1 of 1 figures compared, all within their budgets"
    assert sentence(result(BYTES, OPEN)).endswith("+6.00 % [+4.1, ?] (budget 3 %): not decided")
    assert failures([BYTES, OPEN, LATENCY, ABSENT]) == [OPEN, LATENCY]


def test_markdown_is_one_table() -> None:
    text = gate_markdown(result(LATENCY, ACCURACY, BYTES, OPEN, ABSENT, note="x | y <b>"))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 5
    assert {line.replace("\\|", "").count("|") for line in rows} == {9}
    assert text.startswith("## :x: mobilekit gate: regression\n")
    assert "x \\| y \\<b\\>" in text


def test_junit_counts_and_names() -> None:
    suite = ElementTree.fromstring(gate_junit(result(LATENCY, BYTES, OPEN, ABSENT)).encode())[0]
    assert suite.attrib | {"time": ""} == {
        "name": "mobilekit gate",
        "tests": "4",
        "failures": "1",
        "errors": "0",
        "skipped": "2",
        "time": "",
    }
    cases = {(one.get("classname"), one.get("name")): [child.tag for child in one] for one in suite}
    assert cases[("onnx.int8", "bytes")] == []
    assert cases[("coreml.fp16", "latency")] == ["skipped"]
    assert [one.find("failure") is not None for one in suite] == [True, False, False, False]


def test_annotations() -> None:
    lines = github_annotations(result(LATENCY, BYTES, OPEN, ABSENT))
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::warning"]
    assert lines[0] == (
        "::error title=mobilekit gate%3A regression in xnnpack%3Aint8 latency ms::"
        "xnnpack:int8 latency ms +6.00 %25 [+4.1, +8.0] (budget 3 %25)"
    )


@given(st.text(max_size=40))
def test_no_name_breaks_out(text: str) -> None:
    one = result(LATENCY.model_copy(update={"target": text, "reason": text}), note=text, name=text)
    assert len(ElementTree.fromstring(gate_junit(one).encode())[0]) == 1
    (line,) = github_annotations(one)
    assert "\n" not in line and "\r" not in line and line.count("::") - line.partition("::error ")[2].count("::") == 1
    rows = [row for row in gate_markdown(one).split("\n") if row.startswith("|")]
    assert len(rows) == 3


@pytest.mark.parametrize("findings", [(LATENCY, ABSENT), (BYTES,), (OPEN,)])
def test_json_comes_back_whole(findings: tuple[Finding, ...]) -> None:
    whole = result(*findings)
    assert GateResult.model_validate_json(whole.model_dump_json(), strict=True) == whole
