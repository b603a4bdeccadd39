"""What must be known before the figures are trusted is said, loudest first, and only when it is so."""

from __future__ import annotations

from collections.abc import Callable

from mobilekit.bundle import Manifest
from mobilekit.report import caveats


def test_the_golden_bundles_caveats(manifest: Manifest) -> None:
    assert caveats(manifest) == (
        "onnx int8 FAILED sqnr_db: 12.5, must be at least 20.0.",
        "1 file was left out of the test data, not readable: red/broken.jpg.",
        "coreml fp16: converted, not executed here (Core ML runs on macOS only).",
        "The test split is small: one sample is 0.28 points.",
    )


def test_random_input_is_said_loudly(random_input: Manifest) -> None:
    text = "\n".join(caveats(random_input))
    assert "The weights are random" in text
    assert "calibrated on RANDOM INPUT: they mean nothing for accuracy" in text
    assert "There was no test data" in text


def test_nothing_is_said_of_a_bundle_without_caveats(manifest: Manifest, changed: Callable[..., Manifest]) -> None:
    assert manifest.test_data is not None
    clean = changed(
        artifacts=manifest.artifacts[:3],
        warnings=(),
        test_data=manifest.test_data.model_copy(update={"skipped": ()}),
    )
    assert caveats(clean) == ()


def test_a_warning_that_the_bundle_repeats_is_said_once(changed: Callable[..., Manifest], manifest: Manifest) -> None:
    assert caveats(changed(warnings=caveats(manifest))) == caveats(manifest)


def test_many_skipped_files_are_counted(manifest: Manifest, changed: Callable[..., Manifest]) -> None:
    assert manifest.test_data is not None
    names = tuple(f"{index}.jpg" for index in range(30))
    (line,) = (
        one
        for one in caveats(changed(test_data=manifest.test_data.model_copy(update={"skipped": names})))
        if "left out" in one
    )
    assert line.startswith("30 files were left out")
    assert line.endswith("9.jpg and 20 more.")


def test_latencies_of_a_busy_machine_are_not_to_be_trusted(
    manifest: Manifest, changed: Callable[..., Manifest]
) -> None:
    benchmark = manifest.artifacts[1].benchmark
    assert benchmark is not None
    assert benchmark.latency is not None
    busy = benchmark.latency.model_copy(update={"preemptions_per_second": 500.0})
    text = "\n".join(caveats(changed(artifact=(1, {"benchmark": benchmark.model_copy(update={"latency": busy})}))))
    assert "xnnpack fp32: other programs took the cores away while this was timed" in text
    assert "eager" not in text
