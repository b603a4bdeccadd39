"""report.md: warnings first, tables that are whole, and names that cannot become markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mobilekit.bundle import Bundle, Manifest
from mobilekit.report import caveats, report_markdown, result_rows, verdicts
from mobilekit.report.markdown import _code, _text

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle"


def tables(text: str) -> list[list[list[str]]]:
    """Every table as rows of cells, as a Markdown parser reads it."""
    found: list[list[list[str]]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and found and token.level >= 4:
            found[-1][-1].append("".join(child.content for child in token.children or ()))
    return found


def test_warnings_stand_before_the_results(manifest: Manifest) -> None:
    before, _ = report_markdown(manifest).split("## Results")
    assert re.findall(r"^> \*\*WARNING\*\*", before, re.M) == ["> **WARNING**"] * len(caveats(manifest))


def test_every_table_is_whole(manifest: Manifest) -> None:
    results, parity, speed, listing = tables(report_markdown(manifest))
    for table in (results, parity, speed, listing):
        assert len({len(row) for row in table}) == 1
    assert [row[:2] for row in results[1:]] == [[row.target, row.precision] for row in result_rows(manifest)]
    assert results[3] == [
        "xnnpack", "int8", "97.22", "-0.28", "31.3", "0.062", "0.07x", "6.3e-05", "0.26x", "passed",
    ]  # fmt: skip
    assert parity[4][-1] == "sqnr_db 12.5 (at least 20): FAILED"
    assert parity[5][2:] == ["-", "-", "-", "-", "converted, not executed here: Core ML runs on macOS only"]
    assert speed[5][2] == "not executed: Core ML runs on macOS only"
    assert "labels.txt" in [row[0] for row in listing[1:]]
    assert not any(row[0].startswith("golden/") for row in listing)


def test_every_artifact_has_its_verdict(manifest: Manifest) -> None:
    text = report_markdown(manifest)
    for one in verdicts(manifest)[1:]:
        assert f"- {one.target} {one.precision}: **{one.kind}**. {_text(one.words)}\n" in text


def test_evidence_is_there(manifest: Manifest) -> None:
    text = report_markdown(manifest)
    for evidence in (
        "360 samples",
        "| 200 | 10 | 2 |",
        "A processor",
        "torch 2.14.1",
        "2" * 40,
        "3" * 64,
        "256 samples",
    ):
        assert evidence in text, evidence


def test_random_input_is_in_the_report(random_input: Manifest) -> None:
    text = report_markdown(random_input)
    assert "RANDOM INPUT" in text.split("## Results")[0]
    assert "- Calibration: **random input**" in text
    assert "- Test data: **random input**" in text
    assert "**random weights**" in text
    assert "- Labels: none" in text


def test_what_is_absent_is_said_to_be(manifest: Manifest, changed: Callable[..., Manifest]) -> None:
    bare = tuple(one.model_copy(update={"verification": None, "benchmark": None}) for one in manifest.artifacts)
    text = report_markdown(changed(artifacts=bare, calibration=None, test_data=None, golden=()))
    assert "- Test data: none, nothing was verified" in text
    assert "- Calibration: none, nothing was quantized statically" in text
    assert "not verified" in text


def test_names_cannot_break_out_of_the_page(manifest: Manifest, changed: Callable[..., Manifest]) -> None:
    evil = "a|b\n# heading `code` <script>alert(1)</script> [x](http://x)"
    model = manifest.model.model_copy(update={"name": evil, "source": evil})
    text = report_markdown(changed(model=model, warnings=(evil,)))
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert "<script>" not in html
    assert "<a href" not in html
    assert html.count("<h1>") == 1
    assert len(tables(text)) == 4


@given(st.text(max_size=30))
def test_any_text_stays_in_its_cell(text: str) -> None:
    page = f"| a | b |\n|-|-|\n| {_text(text)} | {_code(text)} |\n"
    (table,) = tables(page)
    assert [len(row) for row in table] == [2, 2]


def test_the_reports_of_a_bundle_are_the_ones_it_lists() -> None:
    assert [one.file for one in Bundle.load(GOLDEN).manifest.reports] == ["report.html", "report.md", "report.json"]
