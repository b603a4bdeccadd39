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
    assert words.startswith("7.5 points less accurate (90.0 against 97.5 %) than xnnpack fp32, though ")


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
