"""ONNX Runtime's own tools: the float ONNX file by torch.onnx.export, then quant_pre_process and quantize_static (QDQ).

Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import shutil
from pathlib import Path

from common import calibration, convert


def fp32(material: Path, out: Path) -> list[Path]:
    """The float file as it was exported; the exporting itself is timed where the material is made."""
    return [Path(shutil.copy(material / "model.onnx", out / "model.fp32.onnx"))]


def int8(material: Path, out: Path) -> list[Path]:
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready = out / "prepared.onnx"
    quant_pre_process(str(material / "model.onnx"), str(ready))
    name = onnxruntime.InferenceSession(str(ready), providers=["CPUExecutionProvider"]).get_inputs()[0].name
    samples = iter(calibration(material))

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, object] | None:
            sample = next(samples, None)
            return None if sample is None else {name: sample}

    path = out / "model.int8.onnx"
    quantize_static(str(ready), str(path), Reader(), quant_format=QuantFormat.QDQ, per_channel=True)
    return [path]


if __name__ == "__main__":
    convert({"fp32": fp32, "int8": int8}, ("onnxruntime", "onnx", "torch"))
