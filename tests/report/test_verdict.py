"""Verdicts: pays, no gain or does not pay, from the bundle's own figures, and never from what was not measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.bundle import Manifest
from mobilekit.bundle.measured import Interval
from mobilekit.report import verdicts
from mobilekit.report.verdict import median_interval, share_interval
from mobilekit.spec import QuantizeSpec

INT8 = 2  # xnnpack int8 in the golden bundle; xnnpack fp32 is what it is held against


def of(manifest: Manifest, index: int = INT8) -> tuple[str, str]:
    """Kind and words of one artifact, by its place in the bundle."""
    artifact = manifest.artifacts[index]
    (found,) = (one for one in verdicts(manifest) if (one.target, one.precision) == (artifact.target, artifact.scheme))
    return found.kind, found.words


def test_the_golden_bundle(manifest: Manifest) -> None:
    assert [(one.target, one.precision, one.kind) for one in verdicts(manifest)] == [
        ("eager", "fp32", "reference"),
        ("xnnpack", "fp32", "pays"),
        ("xnnpack", "int8", "pays"),
        ("onnx", "int8", "failed"),
        ("coreml", "fp16", "not known"),
    ]
    assert of(manifest)[1].startswith("1.6 times faster (0.062 against 0.100 ms) and 4.0 times smaller")
    assert of(manifest, 3)[1] == "Do not ship it: sqnr_db is 12.5, must be at least 20.0."


def test_float16_is_held_against_float32_of_its_target(manifest: Manifest) -> None:
    half = manifest.artifacts[INT8].model_copy(update={"scheme": "fp16"})
    for order in ((half, manifest.artifacts[1]), (manifest.artifacts[1], half)):
        one = manifest.model_copy(update={"artifacts": (manifest.artifacts[0], *order)})
        words = next(found.words for found in verdicts(one) if found.precision == "fp16")
        assert (
            words.startswith("1.6 times faster (0.062 against 0.100 ms) and 4.0 times smaller")
            and "xnnpack fp32" in words
        )


@pytest.mark.parametrize(
    ("median", "kind", "says"),
    [
        (0.15, "does not pay", "1.5 times slower (0.150 against 0.100 ms) than xnnpack fp32, though 4.0 times smaller"),
        (0.101, "pays", "4.0 times smaller"),
        (0.05, "pays", "2.0 times faster"),
    ],
)
def test_slower_than_float_does_not_pay(
    changed: Callable[..., Manifest], manifest: Manifest, median: float, kind: str, says: str
) -> None:
    benchmark = manifest.artifacts[INT8].benchmark
    assert benchmark is not None and benchmark.latency is not None
    about = Interval(low=0.99 * median, high=1.01 * median)
    latency = benchmark.latency.model_copy(update={"median_ms": median, "median_ci95": about})
    found = of(changed(artifact=(INT8, {"benchmark": benchmark.model_copy(update={"latency": latency})})))
    assert found[0] == kind and says in found[1]


def test_larger_or_less_accurate_than_float_does_not_pay(changed: Callable[..., Manifest], manifest: Manifest) -> None:
    kind, words = of(changed(artifact=(INT8, {"bytes": 10_000})))
    assert kind == "does not pay" and "times larger" in words
    verification = manifest.artifacts[INT8].verification
    assert verification is not None and verification.metrics is not None
    metrics = verification.metrics.model_copy(update={"top1": 0.9})
    kind, words = of(changed(artifact=(INT8, {"verification": verification.model_copy(update={"metrics": metrics})})))
    assert kind == "does not pay"
    assert words.startswith(
        "7.50 points less accurate (90.0 against 97.5 %; the budget is 0.5 points) than xnnpack fp32"
    )


SCHEMES = ("fp16", "int8", "int8-qat", "mixed", "int8-dynamic", "int8-weight-only", "int4-weight-only", "palettize-4")


def slower(manifest: Manifest, scheme: str) -> Manifest:
    """xnnpack int8 under another name, at twice float's time."""
    benchmark = manifest.artifacts[INT8].benchmark
    assert benchmark is not None and benchmark.latency is not None
    about = {"median_ms": 0.2, "median_ci95": Interval(low=0.19, high=0.21)}
    late = benchmark.model_copy(update={"latency": benchmark.latency.model_copy(update=about)})
    artifacts = list(manifest.artifacts)
    artifacts[INT8] = artifacts[INT8].model_copy(update={"scheme": scheme, "benchmark": late})
    return manifest.model_copy(update={"artifacts": tuple(artifacts)})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scheme_that_is_slower_than_float_does_not_pay(manifest: Manifest, scheme: str) -> None:
    kind, words = of(slower(manifest, scheme))
    assert kind == "does not pay"
    assert words.startswith("2.0 times slower (0.200 against 0.100 ms) than xnnpack fp32, though 4.0 times smaller")


@pytest.mark.parametrize(("lost", "kind"), [(0.19, "pays"), (0.21, "does not pay")])
@pytest.mark.parametrize("scheme", ["int8", "int8-dynamic"])
def test_a_budget_decides_where_there_is_one(
    changed: Callable[..., Manifest], manifest: Manifest, scheme: str, lost: float, kind: str
) -> None:
    """On 10,000 samples, where nothing less than half a point is said otherwise; it holds for every scheme."""
    artifacts = list(manifest.artifacts)
    for index, drop in ((1, 0.0), (INT8, lost / 100)):
        verification = artifacts[index].verification
        assert verification is not None and verification.metrics is not None
        metrics = verification.metrics.model_copy(update={"top1": 0.9 - drop, "samples": 10_000})
        verification = verification.model_copy(update={"metrics": metrics})
        artifacts[index] = artifacts[index].model_copy(update={"verification": verification})
    artifacts[INT8] = artifacts[INT8].model_copy(update={"scheme": scheme})
    without = changed(artifacts=tuple(artifacts), quantization=())
    assert of(without)[0] == "pays"
    (made,) = manifest.quantization
    mixed = made.model_copy(update={"scheme": "mixed", "options": QuantizeSpec(max_drop=0.2)})
    found = of(without.model_copy(update={"quantization": (mixed,)}))
    assert found[0] == kind
    assert ("0.21 points less accurate (89.8 against 90.0 %; the budget is 0.2 points)" in found[1]) == (lost > 0.2)


@pytest.mark.parametrize(
    ("floating", "drop", "says"),
    [
        ((), 0.1, "The same as int8: the budget of 0.5 points needs no layer in float."),
        ((), 0.9, "The same as int8: the budget of 0.5 points was missed, and layers in float did not help."),
        (("conv",), 0.5, "1 layer stays in float for the budget of 0.5 points."),
        (("conv", "head"), 0.9, "2 layers stay in float, and the budget of 0.5 points was still missed on the"),
    ],
)
def test_mixed_says_what_it_came_to(manifest: Manifest, floating: tuple[str, ...], drop: float, says: str) -> None:
    (made,) = manifest.quantization
    mixed = made.model_copy(update={"scheme": "mixed", "floating": floating, "drop_points": drop})
    bundle = slower(manifest, "mixed").model_copy(update={"quantization": (mixed,)})
    assert of(bundle)[0] == "does not pay" and says in of(bundle)[1]
    assert says not in of(manifest.model_copy(update={"quantization": (mixed,)}))[1], "int8 itself says nothing of it"


def test_what_was_trained_for_int8_says_what_float_is(manifest: Manifest) -> None:
    assert "the same weights, trained for int8" in of(slower(manifest, "int8-qat"))[1]


def test_what_was_not_measured_or_was_disturbed_is_not_judged(
    changed: Callable[..., Manifest], manifest: Manifest
) -> None:
    kind, words = of(changed(artifact=(INT8, {"benchmark": None})))
    assert kind == "pays" and words.endswith("Its speed was not measured.")
    benchmark = manifest.artifacts[INT8].benchmark
    assert benchmark is not None and benchmark.latency is not None
    busy = benchmark.latency.model_copy(update={"preemptions_per_second": 5000.0, "median_ms": 99.0})
    kind, words = of(changed(artifact=(INT8, {"benchmark": benchmark.model_copy(update={"latency": busy})})))
    assert kind == "pays" and "other programs took the cores away" in words
    assert of(changed(artifact=(INT8, {"verification": None}))) == ("not known", "It was not verified.")


def test_a_float_artifact_is_judged_by_speed_and_accuracy(changed: Callable[..., Manifest]) -> None:
    """The size of the eager program says nothing: nobody ships it."""
    kind, words = of(changed(artifact=(1, {"bytes": 10_000_000})), 1)
    assert kind == "pays" and words.startswith("8.4 times faster") and "larger" not in words
    assert of(changed(artifact=(1, {"benchmark": None})), 1) == ("not known", "Its speed was not measured.")


def test_nothing_to_gain_is_said(changed: Callable[..., Manifest], manifest: Manifest) -> None:
    same: dict[str, Any] = {"bytes": manifest.artifacts[1].bytes, "benchmark": manifest.artifacts[1].benchmark}
    kind, words = of(changed(artifact=(INT8, same)))
    assert (kind, words) == (
        "no gain",
        "About as fast, as large and as accurate as xnnpack fp32.",
    )


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_of_a_share_holds_it(hits: tuple[int, int]) -> None:
    low, high = share_interval(hits[0] / hits[1], hits[1])
    assert 0 <= low <= hits[0] / hits[1] + 1e-12 and hits[0] / hits[1] - 1e-12 <= high <= 1
    assert high - low > 0


def test_intervals_as_published() -> None:
    """Wilson's interval for 81 of 263 (Newcombe 1998, table I): 0.2553 to 0.3662."""
    low, high = share_interval(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_a_median_is_surer_with_more_runs(manifest: Manifest) -> None:
    benchmark = manifest.artifacts[INT8].benchmark
    assert benchmark is not None and benchmark.latency is not None
    few, many = (benchmark.latency.model_copy(update={"n": n, "median_ci95": None}) for n in (10, 1000))
    assert median_interval(few)[0] < median_interval(many)[0] < benchmark.latency.median_ms
    assert median_interval(many)[1] < median_interval(few)[1]


def test_a_median_is_as_sure_as_its_rounds_were(manifest: Manifest) -> None:
    benchmark = manifest.artifacts[INT8].benchmark
    assert benchmark is not None and benchmark.latency is not None
    measured = benchmark.latency.model_copy(update={"median_ci95": Interval(low=1, high=3)})
    assert median_interval(measured) == (1, 3)
