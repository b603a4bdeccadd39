"""The rows: figures where they were measured, and never a tick for what was not run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mobilekit.bundle import Manifest
from mobilekit.bundle.manifest import Metrics, Verification
from mobilekit.report.table import (
    batch_of,
    figure,
    is_calibrated,
    is_quantized,
    percent,
    plain_table,
    points,
    ratio,
    result_rows,
    sqnr,
)
from mobilekit.spec import TensorSpec


def test_figures_come_from_the_manifest(manifest: Manifest) -> None:
    rows = {(row.target, row.precision): row for row in result_rows(manifest)}
    int8 = rows["xnnpack", "int8"]
    assert int8.top1_percent == pytest.approx(97.22)
    assert int8.top1_change_points == pytest.approx(-0.28)
    assert (int8.sqnr_db, int8.bit_equal) == (31.27, False)
    assert (int8.median_ms, int8.latency_ratio) == (0.062, 0.074)
    assert int8.megabytes == pytest.approx(63e-6)
    assert int8.size_ratio == pytest.approx(63 / 244)
    assert rows["eager", "fp32"].bit_equal


def test_outcomes_in_words(manifest: Manifest) -> None:
    assert [(row.outcome, row.status) for row in result_rows(manifest)] == [
        ("reference", "reference"),
        ("passed", "passed"),
        ("passed", "passed"),
        ("failed", "FAILED: sqnr_db"),
        ("not executed", "converted, not executed here"),
    ]


def test_what_was_not_executed_has_no_figures_but_its_size(manifest: Manifest) -> None:
    row = result_rows(manifest)[-1]
    figures = (row.top1_percent, row.top1_change_points, row.sqnr_db, row.median_ms, row.latency_ratio)
    assert figures == (None,) * 5
    assert not row.bit_equal
    assert row.megabytes > 0


def test_an_artifact_that_was_not_verified_or_not_checked_did_not_pass(changed: Callable[..., Manifest]) -> None:
    row = result_rows(changed(artifact=(1, {"verification": None})))[1]
    assert (row.outcome, row.status) == ("not verified", "not verified")
    unchecked = Verification(executed=True, metrics=Metrics(samples=1, sqnr_db=9.0, max_abs_error=1))
    row = result_rows(changed(artifact=(1, {"verification": unchecked})))[1]
    assert (row.outcome, row.status) == ("unchecked", "executed, nothing checked")


@pytest.mark.parametrize(
    ("metrics", "text"),
    [
        (Metrics(samples=1, sqnr_db=None, max_abs_error=0), "equal"),
        (Metrics(samples=1, sqnr_db=None, max_abs_error=0, nonfinite=3), "-"),
        (Metrics(samples=1, sqnr_db=31.27, max_abs_error=0.1), "31.3"),
        (Metrics(samples=1, sqnr_db=-200.0, max_abs_error=0.1), "-200.0"),
    ],
)
def test_equal_is_said_only_of_what_is_equal(changed: Callable[..., Manifest], metrics: Metrics, text: str) -> None:
    row = result_rows(changed(artifact=(1, {"verification": Verification(executed=True, metrics=metrics)})))[1]
    assert sqnr(row) == text


def test_without_labels_there_is_no_top1(changed: Callable[..., Manifest]) -> None:
    metrics = Metrics(samples=1, sqnr_db=9.0, max_abs_error=1)
    row = result_rows(changed(artifact=(1, {"verification": Verification(executed=True, metrics=metrics)})))[1]
    assert (row.top1_percent, row.top1_change_points) == (None, None)


def test_scales_from_random_input_are_marked_on_quantized_rows_only(random_input: Manifest) -> None:
    marked = [row.precision for row in result_rows(random_input) if "scales from random input" in row.status]
    assert marked == ["int8", "int8"]


def test_the_reference_comes_first_and_sizes_need_one(manifest: Manifest, changed: Callable[..., Manifest]) -> None:
    last = changed(artifacts=(*manifest.artifacts[1:], manifest.artifacts[0]))
    assert result_rows(last) == result_rows(manifest)
    without = changed(artifacts=manifest.artifacts[1:])
    assert {row.size_ratio for row in result_rows(without)} == {None}


def test_numbers_read_well() -> None:
    assert [figure(value) for value in (407.4, 51.64, 4.807, 0.0123, 0.00024, 0.0, None)] == [
        "407",
        "51.6",
        "4.81",
        "0.012",
        "0.00024",
        "0.000",
        "-",
    ]
    assert [points(value) for value in (0.278, -0.556, 0.0, -0.001, None)] == ["+0.28", "-0.56", "0.00", "0.00", "-"]
    assert (ratio(0.2371), ratio(None), percent(97.222), percent(None)) == ("0.24x", "-", "97.22", "-")


@pytest.mark.parametrize(("scheme", "quantized"), [("fp32", False), ("fp16", False), ("bf16", False), ("int8", True)])
def test_float_precisions_need_no_calibration(scheme: str, quantized: bool) -> None:
    assert is_quantized(scheme) is quantized
    assert is_calibrated(scheme) is quantized


def test_scales_found_at_run_time_are_not_from_data() -> None:
    assert is_quantized("int8-dynamic") and not is_calibrated("int8-dynamic")
    assert is_calibrated("int2-of-another-release")


def test_a_plain_table_is_aligned() -> None:
    text = plain_table(("name", "ms"), [("a", "1.00"), ("longer", "10.0")], left=frozenset({0}))
    assert text == "name      ms\n------  ----\na       1.00\nlonger  10.0"


def test_int8_of_random_weights_or_input_does_not_pass(
    manifest: Manifest, random_input: Manifest, changed: Callable[..., Manifest]
) -> None:
    """Its checks passed (no NaN, a batch means the same), and its accuracy was not judged."""

    def int8(one: Manifest) -> tuple[str, str]:
        (row,) = [row for row in result_rows(one) if (row.target, row.precision) == ("xnnpack", "int8")]
        return row.outcome, row.status

    assert int8(manifest) == ("passed", "passed")
    untrained = changed(model=manifest.model.model_copy(update={"trained": False}))
    assert int8(untrained) == ("unchecked", "executed, not judged: random weights")
    generated = manifest.test_data.model_copy(update={"generated": True})
    assert int8(changed(test_data=generated)) == ("unchecked", "executed, not judged: random input")
    outcome, status = int8(random_input)
    assert (outcome, status) == ("unchecked", "executed, not judged: random weights; scales from random input")
    assert [row.outcome for row in result_rows(random_input) if row.precision == "fp32"] == ["reference", "passed"]


def test_the_batch_that_was_measured_is_the_inputs_own(manifest: Manifest, changed: Callable[..., Manifest]) -> None:
    assert batch_of(manifest) == 1
    assert batch_of(changed(inputs=(TensorSpec(name="x", shape=(4, 3)),))) == 4
    assert batch_of(changed(inputs=())) == 1
