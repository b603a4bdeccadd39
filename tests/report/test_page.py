"""report.html: self-contained, escaped, whole; and it draws in a real browser without a word on its console."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from mobilekit.bundle import Manifest
from mobilekit.files import MADE_BY
from mobilekit.inspection import inspect_artifact
from mobilekit.inspection.costs import InsideTime, Profile, StepTime, operator_times, program_times
from mobilekit.inspection.summary import PteDetails
from mobilekit.report import caveats, pull_request_markdown, report_html
from mobilekit.report.charts import scatter, scatter_svg

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle"
ARTIFACTS = Path(__file__).parents[1] / "golden" / "artifacts"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VOID = {"meta", "link", "img", "br", "rect", "path", "circle"}


class Page(HTMLParser):
    """Tags in balance, the addresses that a browser would load, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.loads += [value or "" for name, value in attrs if name == "src" or (name == "href" and tag == "link")]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def measured_page(manifest: Manifest, tmp_path: Path) -> str:
    """A page whose xnnpack artifacts are a real program, with times for each of its calls."""
    folder = Path(shutil.copytree(GOLDEN, tmp_path / "bundle"))
    file = manifest.artifacts[1].file
    shutil.copy(ARTIFACTS / "tiny.pte", folder / file)
    found = inspect_artifact(folder / file)
    assert isinstance(found.details, PteDetails)
    steps = tuple(StepTime(call=n, microseconds=20, share=0.2) for n in range(4))
    inside = (InsideTime(call=0, name="Convolution (NHWC, F32) IGEMM #1", microseconds=15),)
    profile = Profile(
        n=50,
        warmup=5,
        threads=1,
        microseconds=100,
        operators=program_times(found.details.calls, steps, inside, {0: 5}, 20),
        between=20,
        steps=steps,
        inside=inside,
        processor="A processor",
        runtime="ExecuTorch 1.5.1",
    )
    eager = profile.model_copy(
        update={
            "operators": operator_times([("aten.conv2d.default", False, 1, 150.0), ("aten.x", False, 2, 50.0)], 0),
            "between": 0,
            "microseconds": 200,
            "runtime": "torch 2.14.1",
        }
    )
    reference = inspect_artifact(ARTIFACTS / "tiny.pt2").model_copy(update={"profile": eager})
    found = found.model_copy(update={"profile": profile})
    return report_html(folder, manifest, {file: found, manifest.artifacts[0].file: reference})


def test_it_needs_nothing_from_elsewhere(measured_page: str) -> None:
    page = Page(measured_page)
    assert MADE_BY in measured_page[:400]
    assert "script" not in page.tags and "iframe" not in page.tags
    assert page.loads and all(address.startswith("data:") for address in page.loads)
    assert "@import" not in measured_page and "url(" not in measured_page
    assert "prefers-color-scheme:dark" in measured_page and 'name="viewport"' in measured_page


def test_everything_that_the_bundle_holds_is_there(measured_page: str, manifest: Manifest) -> None:
    text = Page(measured_page).text
    for said in (
        "147 parameters",
        "1.6 times faster",
        "Do not ship it: sqnr_db is 12.5",
        "Converted, not executed here",
        "A processor",
        "torch 2.14.1",
        "Where the time goes",
        "aten::cumsum.out 20.0 us, 20 %",
        "hand-over to delegates",
        "20.0% of the time",
        "Time by operator",
        "torch 2.14.1, ExecuTorch 1.5.1",
        "which take: xnnpack fp32 40.0 us (40%)",
        "Not measured: xnnpack int8, onnx int8, coreml fp16.",
        "Cure: mean((2, 3), keepdim=True)",
        "label red",
        "colours, split test, 360 samples",
    ):
        assert said in text, said
    for warning in caveats(manifest):
        assert warning in text


def test_fallbacks_are_told_without_colour(measured_page: str) -> None:
    """Hatched, with a title, and with a star in the table."""
    (section,) = re.findall(r"<h2>Time by operator</h2>.*?</section>", measured_page, re.DOTALL)
    hatched = re.findall(r'<i class="key k\d+ out[^>]*title="([^"]*)"', section)
    assert hatched == ["pooling and reductions, outside the delegates: 40.0 us, 40%"]
    assert section.count("%</span>") > 4 and section.count("% *</span>") == 1
    assert "kernels outside the delegates" in section
    assert section.index("eager fp32") < section.index("xnnpack fp32")
    widths = [float(width) for width in re.findall(r'style="width:([\d.]+)%"', section)]
    assert sum(widths[:2]) == pytest.approx(100) and sum(widths) <= 200


def test_what_is_missing_is_said_to_be(manifest: Manifest, changed: Callable[..., Manifest]) -> None:
    text = Page(report_html(GOLDEN, manifest)).text
    assert text.count("Cannot be looked into") == 4, "the golden bundle's artifacts are not programs"
    bare = tuple(one.model_copy(update={"verification": None, "benchmark": None}) for one in manifest.artifacts)
    text = Page(report_html(GOLDEN, changed(artifacts=bare, golden=(), test_data=None, calibration=None))).text
    for said in (
        "Missing: it needs two artifacts",
        "Missing: it was exported without measuring",
        "The bundle has no golden samples.",
        "none: nothing was verified",
        "none: nothing was quantized statically",
    ):
        assert said in text, said


def test_a_bundle_without_labels_is_drawn_by_sqnr(random_input: Manifest) -> None:
    without = tuple(
        one
        if one.verification is None or one.verification.metrics is None
        else one.model_copy(
            update={
                "verification": one.verification.model_copy(
                    update={"metrics": one.verification.metrics.model_copy(update={"top1": None, "top1_eager": None})}
                )
            }
        )
        for one in random_input.artifacts
    )
    chart = scatter(random_input.model_copy(update={"artifacts": without}))
    assert chart is not None and chart.y_title == "SQNR against eager, dB"
    assert [point.label for point in chart.points] == ["xnnpack fp32", "xnnpack int8", "onnx int8"]


def test_every_point_and_label_lies_on_the_chart(manifest: Manifest) -> None:
    chart = scatter(manifest)
    assert chart is not None and len(chart.points) == 4
    for width, height in ((880, 400), (360, 340)):
        svg = scatter_svg(chart, width, height)
        places = [(float(x), float(y)) for x, y in re.findall(r'x="(-?[\d.]+)" y="(-?[\d.]+)"', svg)]
        assert len(places) > 8
        assert all(0 <= x <= width and 0 <= y <= height for x, y in places)


def test_names_cannot_break_out_of_the_page(manifest: Manifest, changed: Callable[..., Manifest]) -> None:
    evil = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    model = manifest.model.model_copy(update={"name": evil, "source": evil})
    sample = manifest.golden[0].model_copy(update={"id": evil})
    artifact = {"target": "<b>x</b>"}
    html = report_html(GOLDEN, changed(artifact=(1, artifact), model=model, warnings=(evil,), golden=(sample,)))
    page = Page(html)
    assert "script" not in page.tags and page.tags.count("b") == Page(report_html(GOLDEN, manifest)).tags.count("b")
    assert evil in page.text


def test_mistakes_come_first(manifest: Manifest, changed: Callable[..., Manifest]) -> None:
    right = manifest.golden[0]
    wrong = right.model_copy(update={"id": "mistaken", "label": 2})
    text = Page(report_html(GOLDEN, changed(golden=(right, wrong)))).text
    assert text.rindex("mistaken") < text.rindex(" s0 ")
    assert "those that an artifact gets wrong come first" in text and "red ✗" in text


def test_a_pull_requests_markdown_is_short_and_whole(manifest: Manifest) -> None:
    text = pull_request_markdown(manifest)
    assert text.startswith("### tiny: 2 × pays, 1 × failed, 1 × not known\n")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(manifest.artifacts)
    assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
    assert "| onnx int8 | **failed** |" in text
    assert len(text.splitlines()) < 30


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the PATH (Debian: apt-get install chromium)")
@pytest.mark.parametrize("width", [1040, 500])
def test_a_browser_draws_it_and_says_nothing(measured_page: str, tmp_path: Path, width: int) -> None:
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    page.write_text(measured_page)
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
        f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0",
        f"--screenshot={shot}", f"--window-size={width},1400", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert shot.exists(), done.stderr
    # "CONSOLE" is how Chromium logs what a page says there: errors, and what it could not load.
    assert "CONSOLE" not in done.stderr, done.stderr
    with Image.open(io.BytesIO(shot.read_bytes())) as image:
        assert image.size == (width, 1400)
        colours = image.convert("RGB").getcolors(1 << 24) or []
    assert len(colours) > 200, "a page with text and charts has many colours"
    assert max(count for count, _ in colours) < 0.95 * width * 1400, "nearly everything is one colour"
