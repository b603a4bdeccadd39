"""Figures against budgets: exact where they are there, never a verdict where they cannot be compared."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.bundle.manifest import Delegation, Metrics, TestData, Verification
from mobilekit.errors import UsageError
from mobilekit.gate import METRICS, Figures, GateBudgets, Side, Verdict, compare_figures, figures_of, matched, overall
from mobilekit.gate.figures import Metric
from mobilekit.gate.verdicts import Finding

SAMPLES = TestData(source="digits", split="test", samples=359, indices_sha256="0" * 64)
BASE = Figures(
    "xnnpack",
    "int8",
    "1" * 64,
    bytes=100_000,
    instructions=1_000_000,
    delegated_share=0.9,
    planned_memory=4096,
    accuracy=0.95,
    agreement=0.99,
    passed=True,
)


def side(figures: Figures | None, samples: TestData | None = SAMPLES, name: str = "base") -> Side:
    return Side(name, (figures,) if figures else (), samples)


def verdicts(candidate: Side, baseline: Side | None = None, **budgets: Any) -> dict[str, tuple[Verdict, str]]:
    found = compare_figures(baseline or side(BASE), candidate, BASE.variant, GateBudgets(**budgets))
    return {one.metric: (one.verdict, one.reason) for one in found}


def test_equal_sides_pass_in_every_metric() -> None:
    found = verdicts(side(BASE))
    assert set(found) == {"checks", *(metric.name for metric in METRICS)}
    assert {verdict for verdict, _ in found.values()} == {Verdict.PASS}


@pytest.mark.parametrize(
    ("changed", "metric"),
    [
        ({"bytes": 101_100}, "bytes"),
        ({"instructions": 1_010_000}, "instructions"),
        ({"delegated_share": 0.88}, "delegated_share"),
        ({"planned_memory": 4200}, "planned_memory"),
        ({"accuracy": 0.944}, "accuracy"),
        ({"agreement": 0.97}, "agreement"),
        ({"passed": False}, "checks"),
    ],
)
def test_each_metric_alone_can_be_a_regression(changed: dict[str, Any], metric: str) -> None:
    found = verdicts(side(replace(BASE, **changed)))
    assert {name for name, (verdict, _) in found.items() if verdict is Verdict.REGRESSION} == {metric}
    better = verdicts(side(BASE), side(replace(BASE, **changed)))
    assert {verdict for verdict, _ in better.values()} == {Verdict.PASS}


def test_what_is_just_within_its_budget_passes() -> None:
    edge = replace(BASE, bytes=101_000, accuracy=0.945, delegated_share=0.89)
    assert {verdict for verdict, _ in verdicts(side(edge)).values()} == {Verdict.PASS}


def test_a_variant_that_is_gone_is_a_regression() -> None:
    assert verdicts(side(None)) == {"present": (Verdict.REGRESSION, "the candidate does not have this variant")}


def test_accuracy_on_other_samples_cannot_be_compared() -> None:
    other = SAMPLES.model_copy(update={"indices_sha256": "1" * 64})
    found = verdicts(side(replace(BASE, accuracy=0.5), other))
    for metric in ("accuracy", "agreement"):
        verdict, reason = found[metric]
        assert verdict is Verdict.INCONCLUSIVE and "--data" in reason
    assert found["bytes"][0] is Verdict.PASS
    assert verdicts(side(BASE, None))["accuracy"][0] is Verdict.INCONCLUSIVE


def test_figures_that_are_missing() -> None:
    without = replace(BASE, accuracy=None, instructions=None)
    assert verdicts(side(without))["accuracy"] == (Verdict.INCONCLUSIVE, "the candidate has no figure")
    assert verdicts(side(BASE), side(without))["accuracy"] == (Verdict.NOT_COMPARED, "the baseline has no figure")
    assert "instructions" not in verdicts(side(without), side(without))


def test_instructions_of_two_kinds_of_core_are_not_compared() -> None:
    one, other = (replace(BASE, instructions_cpu=cpu) for cpu in ("cortex-a53", "cortex-a76"))
    assert verdicts(side(one), side(other))["instructions"] == (
        Verdict.NOT_COMPARED,
        "counted on cortex-a76 and cortex-a53",
    )


def test_instructions_come_from_a_benchmark_that_counted_them() -> None:
    counted = SimpleNamespace(instructions=SimpleNamespace(cpu="cortex-a76", per_inference=41_000_000))
    found = figures_of(
        "xnnpack",
        "int8",
        size=5,
        sha256="0" * 64,
        delegation=None,
        planned_memory_bytes=None,
        verification=None,
        benchmark=counted,  # type: ignore[arg-type]
    )
    assert (found.instructions, found.instructions_cpu) == (41_000_000, "cortex-a76")


def test_a_metric_without_a_budget_is_left_out() -> None:
    assert "bytes" not in verdicts(side(replace(BASE, bytes=9e9)), bytes_percent=False)


def test_checks_that_failed_before_are_no_news() -> None:
    failed = replace(BASE, passed=False)
    assert verdicts(side(failed), side(failed))["checks"] == (Verdict.PASS, "failed, as in the baseline")
    assert "checks" not in verdicts(side(replace(BASE, passed=None)))


@given(st.floats(0, 1e12), st.floats(0, 1e12))
def test_worse_one_way_is_better_the_other(one: float, other: float) -> None:
    for metric in (Metric("a", "a", "percent"), Metric("b", "b", "points", lower_is_better=False)):
        assert metric.worsening(one, one) == 0
        forth, back = metric.worsening(one, other), metric.worsening(other, one)
        assert (forth > 0) == (back < 0) or abs(forth) + abs(back) < 1e-6


def test_figures_come_from_what_was_recorded() -> None:
    metrics = Metrics(samples=9, top1=0.9, agreement=0.8, sqnr_db=30, max_abs_error=0.1)
    found = figures_of(
        "xnnpack",
        "int8",
        size=5,
        sha256="0" * 64,
        delegation=Delegation(delegates=2, delegated_nodes=6, portable_nodes=2),
        planned_memory_bytes=64,
        verification=Verification(executed=True, metrics=metrics),
        benchmark=None,
    )
    assert (found.bytes, found.delegated_share, found.planned_memory) == (5, 0.75, 64)
    assert (found.accuracy, found.agreement, found.passed, found.instructions) == (0.9, 0.8, None, None)


def test_variants_are_matched_by_the_baseline() -> None:
    onnx = replace(BASE, target="onnx")
    both = Side("base", (BASE, onnx), None)
    assert matched(both, side(BASE)) == (("xnnpack", "int8"), ("onnx", "int8"))
    assert matched(both, both, [("onnx", "int8")]) == (("onnx", "int8"),)
    with pytest.raises(UsageError, match=r"base has no variant coreml:fp16 \(have: xnnpack:int8, onnx:int8\)"):
        matched(both, both, [("coreml", "fp16")])
    with pytest.raises(UsageError, match="no variant in common"):
        matched(side(BASE), side(onnx))


@pytest.mark.parametrize(
    ("found", "whole"),
    [
        (["pass"], "pass"),
        (["pass", "not compared"], "pass"),
        (["not compared"], "inconclusive"),
        (["pass", "inconclusive"], "inconclusive"),
        (["inconclusive", "regression", "pass"], "regression"),
    ],
)
def test_the_whole_is_its_worst_part(found: list[str], whole: str) -> None:
    findings = [Finding(target="a", scheme="b", metric="m", verdict=Verdict(one)) for one in found]
    assert overall(findings) == whole
