"""report.json: the same rows as the table, with the evidence behind each; and both files written into a bundle."""

from __future__ import annotations

import json
from pathlib import Path

from mobilekit.bundle import Manifest
from mobilekit.bundle.write import entry_for
from mobilekit.report import Report, caveats, report_json, report_of, result_rows, verdicts, write_reports


def test_rows_and_evidence_belong_together(manifest: Manifest) -> None:
    report = report_of(manifest)
    assert tuple(result.row for result in report.results) == result_rows(manifest)
    assert tuple(result.verdict for result in report.results) == verdicts(manifest)
    assert report.warnings == caveats(manifest)
    for result in report.results:
        (artifact,) = (one for one in manifest.artifacts if one.file == result.file)
        assert (artifact.target, artifact.scheme) == (result.row.target, result.row.precision)
        assert (artifact.verification, artifact.benchmark) == (result.verification, result.benchmark)


def test_it_is_plain_json_that_comes_back(manifest: Manifest, random_input: Manifest) -> None:
    for one in (manifest, random_input):
        text = report_json(one)
        assert json.loads(text)["format"] == "mobilekit-report"
        assert Report.model_validate_json(text, strict=True) == report_of(one)


def test_a_report_of_an_older_release_has_no_verdicts(manifest: Manifest) -> None:
    raw = json.loads(report_json(manifest))
    for one in raw["results"]:
        del one["verdict"]
    assert [one.verdict for one in Report.model_validate_json(json.dumps(raw), strict=True).results] == [None] * 5


def test_the_reports_are_written_and_described(manifest: Manifest, tmp_path: Path) -> None:
    entries = write_reports(tmp_path, manifest)
    assert [entry.file for entry in entries] == ["report.html", "report.md", "report.json"]
    assert entries == tuple(entry_for(tmp_path, entry.file) for entry in entries)
