"""Make tests/golden/bundle: a tiny, complete bundle of schema version 1 with invented content.

    python tests/golden/make_bundle.py

Only for a schema version that no release has: what is committed must load for ever, byte for byte.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from mobilekit.bundle import manifest as m
from mobilekit.bundle.write import entry_for, write_file, write_labels, write_manifest, write_tensor
from mobilekit.environment import Environment, Machine
from mobilekit.report import write_reports
from mobilekit.spec import DynamicDim, ImagePreprocess, QuantizeSpec, Resize, TensorSpec

ROOT = Path(__file__).parent / "bundle"
BATCH = {"batch": DynamicDim(min=1, max=8)}
INPUTS = (TensorSpec(name="image", shape=("batch", 3, 4, 4), dynamic=BATCH),)
OUTPUTS = (TensorSpec(name="scores", shape=("batch", 3), dynamic=BATCH),)


def main() -> None:
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir()
    manifest = m.Manifest(
        created="2026-11-21T01:17:00Z",
        model=m.ModelEntry(
            name="tiny",
            source="models/tiny",
            task="image-classification",
            parameters=147,
            recipe_sha256="0" * 64,
            weights_sha256="1" * 64,
            trained=True,
            commit="2" * 40,
        ),
        preprocess=ImagePreprocess(resize=Resize(size=(4, 4))),
        inputs=INPUTS,
        outputs=OUTPUTS,
        labels=write_labels(ROOT, ("red", "green", "blau, grün")),
        artifacts=artifacts(),
        calibration=m.Calibration(
            source="colours", split="train", samples=256, indices_sha256="3" * 64, seed=0, generated=False
        ),
        quantization=(
            m.Quantization(
                scheme="int8",
                quantized=2,
                candidates=2,
                layers=(
                    m.LayerNoise(name="image", operator="input", sqnr_db=None),
                    m.LayerNoise(name="conv", operator="conv2d", sqnr_db=36.5),
                    m.LayerNoise(name="head", operator="linear", sqnr_db=31.2, alone_sqnr_db=33.5),
                ),
                options=QuantizeSpec(max_drop=0.5),
                rule="mse",
                tried=(m.RangeRule(rule="mse", sqnr_db=30.1), m.RangeRule(rule="min-max", sqnr_db=None)),
                floating=("conv",),
                drop_points=0.25,
            ),
        ),
        test_data=m.TestData(
            source="colours", split="test", samples=360, indices_sha256="4" * 64, skipped=("red/broken.jpg",)
        ),
        golden=(golden(),),
        environment=Environment(
            machine=Machine(
                system="Linux 6.1",
                processor="A processor",
                architecture="x86_64",
                cores=2,
                memory_bytes=8_000_000_000,
                features=("avx2",),
            ),
            python="3.11.7",
            mobilekit="0.1.0",
            packages={"torch": "2.14.1"},
        ),
        warnings=("The test split is small: one sample is 0.28 points.",),
    )
    write_manifest(ROOT, manifest.model_copy(update={"reports": write_reports(ROOT, manifest)}))


def artifacts() -> tuple[m.Artifact, ...]:
    package = ROOT / "tiny.coreml.fp16.mlpackage"
    (package / "Data").mkdir(parents=True)
    (package / "Data" / "model.mlmodel").write_text("golden bytes, not a model\n")
    (package / "Manifest.json").write_text("{}\n")
    reason = "Core ML runs on macOS only"
    return (
        artifact(
            "eager", "fp32", "pt2", "torch", "2.14.1",
            ship=False,
            verification=executed("eager", 0.975, 1.0, None, 0.0),
            benchmark=measured("eager", 0.84, 1.0),
        ),
        artifact(
            "xnnpack", "fp32", "pte", "executorch", "1.5.1",
            backends=("XnnpackBackend",),
            delegation=m.Delegation(delegates=1, delegated_nodes=7, portable_nodes=0),
            verification=executed("pte", 0.975, 1.0, 118.4, 1.2e-6, ("sqnr_db", 118.4, 60, "at least")),
            benchmark=measured("pte", 0.1, 0.119),
        ),
        artifact(
            "xnnpack", "int8", "pte", "executorch", "1.5.1",
            backends=("XnnpackBackend",),
            operators=("aten::mean.out",),
            delegation=m.Delegation(delegates=2, delegated_nodes=6, portable_nodes=1),
            planned_memory_bytes=4096,
            verification=executed(
                "pte", 0.9722, 0.9972, 31.27, 0.041,
                ("sqnr_db", 31.27, 20, "at least"), ("top1_drop_points", 0.28, 0.5, "at most"),
            ),
            benchmark=measured("pte", 0.062, 0.074),
        ),
        artifact(
            "onnx", "int8", "onnx", "onnxruntime", "1.14",
            verification=executed("onnx", 0.95, 0.96, 12.5, 0.4, ("sqnr_db", 12.5, 20, "at least")),
            benchmark=measured("onnx", 0.031, 0.037),
        ),
        m.Artifact(
            **entry_for(ROOT, package.name).model_dump(),
            target="coreml",
            scheme="fp16",
            runtime="coreml",
            minimum_runtime="iOS17",
            inputs=INPUTS,
            outputs=OUTPUTS,
            verification=m.Verification(executed=False, reason=reason),
            benchmark=m.Benchmark(executed=False, reason=reason),
        ),
    )  # fmt: skip


def artifact(target: str, scheme: str, suffix: str, runtime: str, minimum: str, **more: object) -> m.Artifact:
    line = f"golden bytes of the bundle format, not a program: {target} {scheme}\n"
    entry = write_file(ROOT, f"tiny.{target}.{scheme}.{suffix}", line * (4 if scheme == "fp32" else 1))
    named = {"target": target, "scheme": scheme, "runtime": runtime, "minimum_runtime": minimum}
    return m.Artifact.model_validate({**entry.model_dump(), **named, "inputs": INPUTS, "outputs": OUTPUTS, **more})


def executed(
    runner: str, top1: float, agreement: float, sqnr_db: float | None, error: float, *checks: tuple
) -> m.Verification:
    return m.Verification(
        executed=True,
        runner=runner,
        metrics=m.Metrics(
            samples=360, top1=top1, top1_eager=0.975, agreement=agreement, sqnr_db=sqnr_db, max_abs_error=error
        ),
        checks=tuple(
            m.Check(
                name=name,
                value=value,
                threshold=limit,
                bound=bound,
                passed=value >= limit if bound == "at least" else value <= limit,
            )
            for name, value, limit, bound in checks
        ),
    )


def measured(runner: str, median: float, ratio: float) -> m.Benchmark:
    latency = m.Latency(
        n=200,
        warmup=20,
        median_ms=median,
        p90_ms=round(median * 1.1, 4),
        min_ms=round(median * 0.95, 4),
        iqr_ms=round(median * 0.05, 4),
        threads=2,
        batch=1,
        rounds=10,
        p99_ms=round(median * 1.2, 4),
        median_ci95=m.Interval(low=round(median * 0.98, 4), high=round(median * 1.02, 4)),
        ratio_to_eager=ratio,
        ratio_ci95=m.Interval(low=round(ratio * 0.97, 4), high=round(ratio * 1.03, 4)),
        steal_share=0.0,
    )
    cold = m.ColdStart(n=5, threads=2, load_ms=3.5, first_ms=1.25, slowest_ms=6.5)
    operators = (
        m.OperatorInstructions(name="Convolution (NHWC, QC8) IGEMM", calls=21, instructions=4_310_117),
        m.OperatorInstructions(name="aten::mean.out", calls=1, instructions=40_187),
    )
    counted = m.Instructions(cpu="cortex-a76", per_inference=4_554_678, spread=0, n=5, operators=operators)
    return m.Benchmark(
        executed=True,
        runner=runner,
        latency=latency,
        load_ms=3.5,
        peak_memory_bytes=1_234_567,
        cold=cold,
        instructions=counted if runner == "pte" else None,
    )


def golden() -> m.GoldenSample:
    """An orange square: resizing leaves it as it is, and only the division remains."""
    orange = np.array([255, 128, 0], np.uint8)
    encoded = io.BytesIO()
    Image.new("RGB", (8, 8), tuple(orange.tolist())).save(encoded, "PNG")
    image = np.broadcast_to((orange.astype(np.float32) / np.float32(255))[None, :, None, None], (1, 3, 4, 4))
    return m.GoldenSample(
        id="s0",
        label=0,
        encoded=write_file(ROOT, "golden/s0.png", encoded.getvalue()),
        pixels=write_tensor(ROOT, "golden/s0.pixels.bin", "pixels", np.tile(orange, (8, 8, 1))),
        inputs=(write_tensor(ROOT, "golden/s0.image.bin", "image", image),),
        input_max_abs_error=1e-6,
        outputs=tuple(
            output(target, scheme, shift)
            for target, scheme, shift in (("eager", "fp32", 0), ("xnnpack", "fp32", 0), ("xnnpack", "int8", 0.03125))
        ),
    )


def output(target: str, scheme: str, shift: float) -> m.GoldenOutput:
    scores = np.array([[2.5, 0.25, -1]], np.float32) + np.float32(shift)
    tensor = write_tensor(ROOT, f"golden/s0.{target}.{scheme}.scores.bin", "scores", scores)
    tolerance = 0.1 if scheme == "int8" else 0.001
    return m.GoldenOutput(target=target, scheme=scheme, outputs=(tensor,), max_abs_error=tolerance)


if __name__ == "__main__":
    main()
