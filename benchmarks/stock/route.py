"""The stock route, one tool to a process: python benchmarks/stock/route.py TOOL ARCHITECTURE OUT, without mobilekit.

Each tool starts from torchvision's module with random weights, as a script of its own would, and makes a float and an
int8 file by what its documentation says. Calibration: the same eight random inputs for all.

executorch  XNNPACKQuantizer, PT2E and XnnpackPartitioner
            https://docs.pytorch.org/executorch/stable/backends/xnnpack/xnnpack-overview.html
onnx        torch.onnx.export, quant_pre_process and quantize_static
            https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
coreml      coremltools.convert; int8 by Apple's CoreMLQuantizer and PT2E
            https://apple.github.io/coremltools/docs-guides/source/opt-quantization-overview.html
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

SAMPLES, SIDE = 8, 224


def main(tool: str, architecture: str, out: Path) -> None:
    import torch
    import torchvision

    torch.manual_seed(0)
    module = torchvision.models.get_model(architecture, weights=None).eval()
    samples = [(torch.rand(1, 3, SIDE, SIDE),) for _ in range(SAMPLES)]
    out.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        {"executorch": executorch, "onnx": onnx, "coreml": coreml}[tool](module, samples, out)


def executorch(module: Any, samples: list[Any], out: Path) -> None:
    import torch

    program = torch.export.export(module, samples[0])
    to_pte(program, out / "model.fp32.pte")
    to_pte(quantized(program, xnnpack_quantizer(), samples), out / "model.int8.pte")


def xnnpack_quantizer() -> Any:
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )

    return XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))


def to_pte(program: Any, path: Path) -> None:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
    with path.open("wb") as stream:
        lowered.write_to_file(stream)


def onnx(module: Any, samples: list[Any], out: Path) -> None:
    import torch
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    path, ready = out / "model.fp32.onnx", out / "prepared.onnx"
    torch.onnx.export(module, samples[0], str(path), dynamo=True, input_names=["image"], external_data=False)
    quant_pre_process(str(path), str(ready))
    left = iter(samples)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, object] | None:
            sample = next(left, None)
            return None if sample is None else {"image": sample[0].numpy()}

    quantize_static(str(ready), str(out / "model.int8.onnx"), Reader(), quant_format=QuantFormat.QDQ, per_channel=True)
    ready.unlink()


def coreml(module: Any, samples: list[Any], out: Path) -> None:
    import coremltools as ct
    import torch
    from executorch.backends.apple.coreml.quantizer import CoreMLQuantizer

    program = torch.export.export(module, samples[0])
    to_mlpackage(program, out / "model.fp32.mlpackage", ct.precision.FLOAT32)
    config = ct.optimize.torch.quantization.LinearQuantizerConfig(
        global_config=ct.optimize.torch.quantization.ModuleLinearQuantizerConfig(
            quantization_scheme="symmetric",
            activation_dtype=torch.quint8,
            weight_dtype=torch.qint8,
            weight_per_channel=True,
        )
    )
    made = quantized(program, CoreMLQuantizer(config), samples)
    to_mlpackage(made, out / "model.int8.mlpackage", ct.precision.FLOAT16)


def to_mlpackage(program: Any, path: Path, precision: Any) -> None:
    import coremltools as ct

    package = ct.convert(
        program.run_decompositions({}),
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=precision,
        skip_model_load=True,
    )
    package.save(str(path))


def quantized(program: Any, quantizer: Any, samples: list[Any]) -> Any:
    """PT2E: observers, calibration, conversion, and the program again."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    prepared = prepare_pt2e(program.module(), quantizer)
    for sample in samples:
        prepared(*sample)
    return torch.export.export(convert_pt2e(prepared), samples[0])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
