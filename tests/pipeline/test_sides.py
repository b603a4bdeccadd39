"""A side is a whole bundle or a report of one; anything else is an error that says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobilekit.errors import BundleError
from mobilekit.pipeline.sides import side_of

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle"
REPORT = json.loads((GOLDEN / "report.json").read_bytes())


def test_a_bundle_and_its_report_say_the_same() -> None:
    bundle, report = side_of(GOLDEN), side_of(GOLDEN / "report.json", "recorded")
    assert (bundle.figures, bundle.samples) == (report.figures, report.samples)
    assert [one.variant for one in report.figures][:2] == [("xnnpack", "fp32"), ("xnnpack", "int8")]
    assert (bundle.bundle is None, report.bundle, report.name) == (False, None, "recorded")
    int8 = report.figures[1]
    assert (int8.delegated_share, int8.planned_memory, int8.accuracy) == (pytest.approx(6 / 7), 4096, 0.9722)


def test_a_report_of_an_older_release_has_fewer_figures(tmp_path: Path) -> None:
    for one in REPORT["results"]:
        one.pop("delegation", None)
        one.pop("planned_memory_bytes", None)
    (tmp_path / "old.json").write_text(json.dumps(REPORT))
    found = side_of(tmp_path / "old.json")
    assert {(one.delegated_share, one.planned_memory) for one in found.figures} == {(None, None)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=80)
    | st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
    .map(json.dumps)
    .map(str.encode)
)
def test_any_other_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.json"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"any\.json: not what `mobilekit bench BUNDLE --json` prints"):
        side_of(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_report_is_read_or_refused(tmp_path: Path, at: int, value: int) -> None:
    content = bytearray((GOLDEN / "report.json").read_bytes())
    content[at % len(content)] = value
    path = tmp_path / "changed.json"
    path.write_bytes(content)
    try:
        assert side_of(path).figures
    except BundleError as error:
        assert "changed.json" in error.message
