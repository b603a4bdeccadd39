"""Budgets from files: every problem at once, the file's own words, one variant's own numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobilekit.errors import MobilekitError, SpecError
from mobilekit.gate import METRICS, Budgets, GateBudgets, load_budgets
from mobilekit.gate.budgets import VariantBudgets
from mobilekit.gate.figures import LATENCY


def write(folder: Path, text: str, name: str = "gate.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_metric_has_a_budget_and_the_other_way_round() -> None:
    assert set(Budgets.model_fields) == {metric.budget for metric in (LATENCY, *METRICS)}
    assert set(VariantBudgets.model_fields) == set(Budgets.model_fields)


def test_a_file_of_its_own(tmp_path: Path) -> None:
    text = 'latency_percent = 5\naccuracy_points = false\n[variants."xnnpack:int8"]\nlatency_percent = false\n'
    found, source = load_budgets(write(tmp_path, text))
    assert source == str(tmp_path / "gate.toml")
    assert (found.of("onnx", "int8").latency_percent, found.of("onnx", "int8").accuracy_points) == (5, False)
    assert (found.of("xnnpack", "int8").latency_percent, found.of("xnnpack", "int8").bytes_percent) == (False, 1)


def test_pyproject_is_found_by_itself_and_its_table_is_optional(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_budgets() == (GateBudgets(), "the defaults")
    path = write(tmp_path, '[project]\nname = "x"\n', "pyproject.toml")
    assert load_budgets() == (GateBudgets(), "the defaults")
    with pytest.raises(SpecError, match="is required"):
        load_budgets(path)
    write(tmp_path, "[tool.mobilekit.gate]\nbytes_percent = 0\n", "pyproject.toml")
    found, source = load_budgets()
    assert (found.bytes_percent, source) == (0, "pyproject.toml")
    write(tmp_path, "[tool.mobilekit]\ngate = 3\n", "pyproject.toml")
    with pytest.raises(SpecError, match=r"tool\.mobilekit\.gate: must be a table"):
        load_budgets()


def test_all_problems_together(tmp_path: Path) -> None:
    text = """
latency_percent = -1
bytes_percent = "1 %"
accuracy_points = true
latency = 3
agreement_points = nan
[variants."xnnpack int8"]
[variants."onnx:int8"]
bytes = 3
"""
    with pytest.raises(SpecError) as caught:
        load_budgets(write(tmp_path, text))
    said = str(caught.value)
    for field in ("latency_percent", "bytes_percent", "accuracy_points", "latency", "agreement_points", "xnnpack int8"):
        assert field in said
    assert said.count("must be a number of 0 or more, or false") == 4
    assert "latency: no such field (have: latency_percent" in said
    assert "onnx:int8" in said


@pytest.mark.parametrize("content", [b"x = ", b"\xff\xfe", b"= 1", b"variants = 3"])
def test_what_is_no_such_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "gate.toml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=r"gate\.toml: 1 problem"):
        load_budgets(path)
    with pytest.raises(SpecError, match="must be a readable file"):
        load_budgets(tmp_path / "absent.toml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text('latency_percent=[]."0123456789\n:variants', max_size=60).map(str.encode))
def test_any_bytes_are_budgets_or_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes(content)
    try:
        found, _ = load_budgets(path)
    except MobilekitError:
        return
    assert isinstance(found.of("a", "b"), Budgets)
