"""Write: report.html, report.md and report.json into a bundle that has no bundle.json yet."""

from __future__ import annotations

from pathlib import Path

from mobilekit.bundle.manifest import FileEntry, Manifest
from mobilekit.bundle.write import write_file
from mobilekit.report.markdown import report_markdown
from mobilekit.report.page import report_html
from mobilekit.report.record import report_json


def write_reports(folder: Path, manifest: Manifest) -> tuple[FileEntry, ...]:
    """Render them and return the entries for `Manifest.reports`. What the page looks into is in `folder` already."""
    return (
        write_file(folder, "report.html", report_html(folder, manifest)),
        write_file(folder, "report.md", report_markdown(manifest)),
        write_file(folder, "report.json", report_json(manifest)),
    )
