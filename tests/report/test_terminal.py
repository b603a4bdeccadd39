"""The table on a screen of any width, in a pipe, without colour and without Unicode: nothing is lost."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mobilekit.bundle import Manifest
from mobilekit.report import print_results, result_rows, verdicts


def printed(manifest: Manifest, *, width: int = 80, terminal: bool = True, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    print_results(manifest, Console(file=stream, force_terminal=terminal, width=width, color_system=None))
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [40, 60, 79, 80, 100, 120, 200])
def test_no_figure_and_no_status_is_lost_at_any_width(manifest: Manifest, width: int) -> None:
    text = printed(manifest, width=width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    words = " ".join(text.split())
    for row in result_rows(manifest):
        assert row.target in words
    for figure in ("97.22", "(-0.28)", "31.3", "0.062", "(0.07x)", "6.3e-05", "(0.26x)", "equal", "reference"):
        assert figure in words, figure
    # The status column wraps: its words are there, in order.
    assert text.index("FAILED") < text.index("converted")
    assert "not executed here" in " ".join(printed(manifest, width=200).split())


@pytest.mark.parametrize("width", [80, 100])
def test_a_table_on_80_columns_has_units_in_its_header(manifest: Manifest, width: int) -> None:
    header = " ".join(" ".join(printed(manifest, width=width).split("─")[0].split()).split())
    for unit in ("top-1 %", "SQNR dB", "median ms", "MB"):
        assert unit in header


def test_a_pipe_gets_plain_aligned_unwrapped_ascii(manifest: Manifest) -> None:
    text = printed(manifest, terminal=False, encoding="ascii")
    assert text.isascii()
    lines = text.splitlines()
    assert lines[0].split()[:2] == ["target", "precision"]
    int8 = next(line for line in lines if line.startswith("xnnpack  int8"))
    assert int8.endswith("passed")
    assert "97.22 (-0.28)" in int8
    assert lines[6].endswith("converted, not executed here")
    assert "warning: coreml fp16: converted, not executed here (Core ML runs on macOS only)." in lines


@pytest.mark.parametrize("terminal", [False, True])
def test_every_artifact_has_its_verdict(manifest: Manifest, terminal: bool) -> None:
    text = " ".join(printed(manifest, terminal=terminal, encoding="ascii").split())
    for one in verdicts(manifest)[1:]:
        assert f"{one.target} {one.precision}: {one.kind}. {' '.join(one.words.split())}" in text
    assert "eager fp32: " not in text, "nobody ships it"


def test_a_terminal_that_has_no_unicode_gets_a_table(manifest: Manifest) -> None:
    assert "97.22" in printed(manifest, encoding="ascii")


def test_no_color_is_honoured(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    def coloured() -> str:
        stream = io.StringIO()
        print_results(manifest, Console(file=stream, force_terminal=True, width=120, color_system="standard"))
        return stream.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32m" in coloured()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in coloured()


def test_names_are_not_markup(manifest: Manifest) -> None:
    strange = manifest.model_copy(update={"warnings": ("[bold]not markup[/bold] [/nothing]",)})
    assert "[bold]not markup[/bold] [/nothing]" in printed(strange)


def test_what_the_figures_rest_on_is_said(manifest: Manifest, random_input: Manifest) -> None:
    line = "360 colours test samples; median of 200 runs at batch 1, 2 thread(s), a process for each; A processor"
    assert line in printed(manifest, width=200)
    assert "360 random samples" in printed(random_input, width=200)
