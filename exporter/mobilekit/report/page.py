"""Page: report.html, one self-contained file: no script, nothing from elsewhere, light and dark, readable on a phone.

Reads only what the bundle holds; what is missing is said to be missing. Names from the user's side are escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mobilekit.bundle import Manifest, kept_device_benches
from mobilekit.files import MADE_BY
from mobilekit.inspection import Inspection
from mobilekit.report import charts, operators, table
from mobilekit.report.caveats import caveats
from mobilekit.report.inside import look_inside
from mobilekit.report.layers import layer_charts
from mobilekit.report.phones import phone_rows, sentence
from mobilekit.report.samples import Mistakes, shown_samples
from mobilekit.report.templates import template
from mobilekit.report.verdict import verdicts


def report_html(
    folder: Path,
    manifest: Manifest,
    profiles: Mapping[str, Inspection] | None = None,
    mistakes: Mistakes | None = None,
) -> str:
    """The page about the bundle in `folder`.

    `profiles` are inspections with measured times, by file; `mistakes` are shown in place of the golden samples.
    """
    chart = charts.scatter(manifest)
    benches, left_out = kept_device_benches(folder, manifest)
    samples = mistakes.shown if mistakes else shown_samples(folder, manifest)
    page = template("report.html.j2", (("thousands", _thousands),), autoescape=True)
    return page.render(
        m=manifest,
        made_by=MADE_BY,
        rows=table.result_rows(manifest),
        warnings=caveats(manifest),
        batch=table.batch_of(manifest),
        verdicts=verdicts(manifest),
        times=operators.time_by_operator(manifest, profiles or {}),
        colours=charts.colours(manifest),
        chart=chart,
        wide=charts.scatter_svg(chart, 880, 400) if chart else None,
        narrow=charts.scatter_svg(chart, 360, 340) if chart else None,
        latency_bars=charts.latency_bars(manifest),
        size_bars=charts.size_bars(manifest),
        inside=look_inside(folder, manifest, profiles or {}),
        layers=layer_charts(manifest),
        phones=phone_rows(manifest, benches),
        about_phones=(*map(sentence, benches), *left_out),
        samples=samples,
        found=mistakes,
        mistaken=any(one.mistakes for one in samples),
    )


def _thousands(count: int) -> str:
    return f"{count:,}"
