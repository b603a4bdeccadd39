"""Int8, method by method: what each brings, executed in XNNPACK on the whole test set.

    python benchmarks/ptq.py runs/mobilenet_v2 resnet20 --qat runs/mobilenet_v2-int8 --data imagefolder:cifar

Each model is captured once and quantized by each method on the same calibration samples; every .pte runs all test
images in a process of its own. One line of JSON for each goes to benchmarks/results/ptq.jsonl (--out), where what is
there already is not made again; the table of all of them is printed. "onnxruntime quantize_static" is ONNX Runtime's
own tool on the float ONNX file of the same model, per channel, run in ONNX Runtime. "trained for int8" is the run given
with --qat for a model of that name; it is held against the float model like the others.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilekit.capture import Captured, capture
from mobilekit.environment import describe
from mobilekit.lower import TARGETS
from mobilekit.model import ModelSource, resolve
from mobilekit.model.ranges import load_ranges
from mobilekit.pipeline.evidence import Evidence, find, gather
from mobilekit.pipeline.streaming import for_quantizing
from mobilekit.quantize import quantize
from mobilekit.runners import Worker
from mobilekit.spec import DataSpec, QuantizeSpec

if TYPE_CHECKING:
    import torch

RESULTS = Path(__file__).resolve().parent / "results" / "ptq.jsonl"
STATIC = "onnxruntime quantize_static"
TRAINED = "trained for int8 (--qat)"
METHODS: dict[str, QuantizeSpec | None] = {
    "float": None,
    "naive: per tensor, min-max": QuantizeSpec(weights="per-tensor", observer="min-max"),
    "per tensor, min-max, equalized": QuantizeSpec(weights="per-tensor", observer="min-max", equalize=True),
    "per tensor, min-max, bias correction": QuantizeSpec(
        weights="per-tensor", observer="min-max", bias_correction=True
    ),
    "per channel, min-max": QuantizeSpec(observer="min-max"),
    "per channel, moving average": QuantizeSpec(observer="moving-average"),
    "per channel, percentile": QuantizeSpec(observer="percentile"),
    "per channel, mse": QuantizeSpec(observer="mse"),
    "default: per channel, auto": QuantizeSpec(),
    "default, weights by mse": QuantizeSpec(weight_observer="mse"),
    "default, equalized": QuantizeSpec(equalize=True),
    "default, bias correction": QuantizeSpec(bias_correction=True),
    "default, AdaRound": QuantizeSpec(adaround=True),
    "default, AdaRound and bias correction": QuantizeSpec(adaround=True, bias_correction=True),
    TRAINED: None,
    STATIC: None,
}


@dataclass(frozen=True)
class Row:
    """One model by one method. `sqnr_db` is against the float artifact's outputs, over all samples."""

    model: str
    method: str
    top1: float
    samples: int
    agreement: float
    sqnr_db: float | None
    bytes: int
    quantize_s: float
    rule: str | None
    processor: str


class Subject:
    """One model with its samples, and the float answers that the others are held against."""

    def __init__(
        self, model: str, data: str, calibration: int, samples: int | None, trained: Sequence[ModelSource] = ()
    ) -> None:
        source = resolve(model)
        spec = DataSpec(name=data, calibration_samples=calibration, test_samples=samples)
        self.name, self.captured = source.recipe.name, capture(source.build(), source.recipe.inputs)
        self.evidence: Evidence = gather(source.recipe, find(source.recipe, spec), spec, calibrate=True)
        self.expected: np.ndarray | None = None
        self.trained = next((one for one in trained if one.recipe.name == self.name), None)

    def calibration(self) -> list[tuple[torch.Tensor, ...]]:
        import torch

        samples = self.evidence.calibration
        assert samples is not None
        return [tuple(map(torch.from_numpy, samples.one(index))) for index in range(len(samples))]

    def row(self, method: str, folder: Path) -> Row:
        begun, rule = time.process_time(), None
        options = METHODS[method]
        if method == STATIC:
            path, runner = _static(self.captured, self.calibration(), folder), "onnx"
        else:
            captured, runner = for_quantizing(self.captured), "pte"
            program = captured.program
            if method == TRAINED:
                assert self.trained is not None and self.trained.ranges is not None
                captured = for_quantizing(capture(self.trained.build(), self.trained.recipe.inputs))
                quantized = quantize(captured, self.calibration(), ranges=load_ranges(self.trained.ranges))
                program, rule = quantized.program, quantized.report.rule
            elif options is not None:
                quantized = quantize(captured, self.calibration(), options)
                program, rule = quantized.program, quantized.report.rule
            path = folder / "model.pte"
            TARGETS["xnnpack"].lower(
                program, "fp32" if method == "float" else "int8", path, inputs=captured.inputs, outputs=captured.outputs
            )
        seconds = time.process_time() - begun
        test = self.evidence.test
        with Worker(runner, path, threads=1) as worker:
            given = np.concatenate([outputs[0] for outputs in worker.run(test.one(at) for at in range(len(test)))])
        if method == "float":
            self.expected = given
        assert self.expected is not None, "float comes first"
        noise = float(((given.astype(np.float64) - self.expected) ** 2).sum())
        return Row(
            model=self.name,
            method=method,
            top1=float((given.argmax(1) == test.labels).mean()),
            samples=len(test),
            agreement=float((given.argmax(1) == self.expected.argmax(1)).mean()),
            sqnr_db=10 * float(np.log10((self.expected.astype(np.float64) ** 2).sum() / noise)) if noise else None,
            bytes=path.stat().st_size,
            quantize_s=seconds,
            rule=rule,
            processor=describe().machine.processor,
        )


def _static(captured: Captured, samples: Sequence[tuple[Any, ...]], folder: Path) -> Path:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    plain, ready, path = (folder / f"{name}.onnx" for name in ("float", "prepared", "static"))
    TARGETS["onnx"].lower(captured.program, "fp32", plain, inputs=captured.inputs, outputs=captured.outputs)
    quant_pre_process(str(plain), str(ready))
    given = iter(samples)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Any] | None:
            one = next(given, None)
            return None if one is None else {captured.inputs[0].name: one[0].numpy()}

    quantize_static(str(ready), str(path), Reader(), quant_format=QuantFormat.QDQ, per_channel=True)
    return path


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Markdown, a table for each model."""
    for model in dict.fromkeys(row.model for row in rows):
        mine = [row for row in rows if row.model == model]
        base = next((row for row in mine if row.method == "float"), None)
        yield f"\n## {model}, {mine[0].samples:,} images\n"
        yield "| method | top-1, % | points | as float, % | SQNR, dB | bytes | CPU s |"
        yield "|-|-|-|-|-|-|-|"
        for row in mine:
            points = "" if base is None or row is base else f"{100 * (row.top1 - base.top1):+.2f}"
            sqnr = "" if row.sqnr_db is None else f"{row.sqnr_db:.1f}"
            name = f"{row.method} ({row.rule})" if row.rule and "auto" in row.method else row.method
            yield (
                f"| {name} | {100 * row.top1:.2f} | {points} | {100 * row.agreement:.2f} | {sqnr} | {row.bytes:,} "
                f"| {row.quantize_s:.0f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="zoo names or runs")
    parser.add_argument("--data", default="imagefolder:cifar")
    parser.add_argument("--calibration-samples", type=int, default=256)
    parser.add_argument("--test-samples", type=int, default=None, help="default: the whole test set")
    parser.add_argument("--only", action="append", help="a method; may be given several times")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--qat", action="append", default=[], metavar="RUN", help="trained for int8; several times")
    args = parser.parse_args()
    trained = [resolve(run) for run in args.qat]
    if plain := [run for run, one in zip(args.qat, trained, strict=True) if one.ranges is None]:
        parser.error(f"--qat: not trained for int8: {', '.join(plain)}")
    lines = args.out.read_text(encoding="utf-8").splitlines() if args.out.exists() else []
    rows = [Row(**json.loads(line)) for line in lines]
    for model in args.models:
        subject = Subject(model, args.data, args.calibration_samples, args.test_samples, trained)
        for method in METHODS:
            there = any((row.model, row.method) == (subject.name, method) for row in rows)
            if method != "float" and (there or (args.only and method not in args.only)):
                continue
            if method == TRAINED and subject.trained is None:
                continue
            with tempfile.TemporaryDirectory() as folder:
                row = subject.row(method, Path(folder))
            if there:
                continue
            rows.append(row)
            with args.out.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(row)) + "\n")
            print(f"{row.model} {row.method}: {100 * row.top1:.2f} %", flush=True)
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
