"""`mobilekit report`: where the page goes, what it does not write over, and Markdown for a pull request."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_the_page_goes_where_it_is_told(mobilekit: Any, bundle: Path) -> None:
    assert mobilekit("report", "bundle").code == 0
    first = (mobilekit.folder / "tiny.html").read_text()
    ended = mobilekit("report", "bundle", "-o", "out/page.html")
    assert (ended.code, ended.out) == (0, "")
    assert (mobilekit.folder / "out" / "page.html").read_text() == first
    assert "out/page.html" in ended.err


def test_only_our_own_file_is_replaced(mobilekit: Any, bundle: Path, refused: Callable[..., Any]) -> None:
    page = mobilekit.folder / "page.html"
    page.write_text("<p>mine</p>")
    refused(2, "report", "bundle", "-o", "page.html", says=("mobilekit did not write it", "--force"))
    assert page.read_text() == "<p>mine</p>"
    assert mobilekit("report", "bundle", "-o", "page.html", "--force").code == 0
    assert mobilekit("report", "bundle", "-o", "page.html").code == 0, "it is our own now"
    refused(2, "report", "bundle", "-o", ".", says=("is a folder",))


def test_the_bundles_own_files_are_never_written_over(bundle: Path, refused: Callable[..., Any]) -> None:
    for file in ("report.md", "bundle.json", "golden/s0.png"):
        before = (bundle / file).read_bytes()
        refused(2, "report", "bundle", "-o", f"bundle/{file}", "--force", says=("belongs to the bundle",))
        assert (bundle / file).read_bytes() == before


def test_markdown_goes_to_standard_output_or_a_file(mobilekit: Any, bundle: Path) -> None:
    ended = mobilekit("report", "bundle", "--markdown")
    assert ended.code == 0 and ended.out.startswith("### tiny: ")
    assert mobilekit("report", "bundle", "--markdown", "-o", "comment.md").code == 0
    assert ended.out in (mobilekit.folder / "comment.md").read_text()
    assert mobilekit("report", "bundle", "--markdown", "-o", "comment.md").code == 0


@pytest.mark.slow
def test_a_measured_page_has_eager_beside_the_artifacts(mobilekit: Any, runnable: Path) -> None:
    ended = mobilekit("report", "bundle", "--measure", "--threads", "1", "-o", "page.html")
    assert ended.code == 0, ended.err
    page = (mobilekit.folder / "page.html").read_text()
    (section,) = re.findall(r"<h2>Time by operator</h2>.*?</section>", page, re.DOTALL)
    assert re.findall(r"<p><span>(.*?)</span>", section) == ["eager fp32", "xnnpack fp32", "onnx int8"]
    assert "Not measured: coreml fp16." in section and " out" in section
    assert "Where the time goes" in page


def test_what_is_refused(bundle: Path, refused: Callable[..., Any]) -> None:
    refused(6, "report", "nowhere", says=("no such folder",))
    refused(2, "report", "bundle", "--markdown", "--measure", says=("are for the page",))
    refused(2, "report", "bundle", "--threads", "2", says=("--threads is for --measure and --data",))
    (bundle / "labels.txt").write_text("changed\n")
    refused(6, "report", "bundle", says=("labels.txt",))
