"""OpenVINO: the float ONNX file through its converter, then NNCF's post-training quantization with its defaults.

Source: https://docs.openvino.ai/2025/openvino-workflow/model-optimization-guide/quantizing-models-post-training.html
"""

from __future__ import annotations

from pathlib import Path

from common import calibration, convert


def fp32(material: Path, out: Path) -> list[Path]:
    import openvino

    # By default weights are stored as float16; the row is of float32.
    openvino.save_model(openvino.convert_model(material / "model.onnx"), out / "fp32.xml", compress_to_fp16=False)
    return [out / "fp32.xml", out / "fp32.bin"]


def int8(material: Path, out: Path) -> list[Path]:
    import nncf
    import openvino

    samples = calibration(material)
    found = nncf.quantize(
        openvino.convert_model(material / "model.onnx"), nncf.Dataset(samples), subset_size=len(samples)
    )
    openvino.save_model(found, out / "int8.xml", compress_to_fp16=False)
    return [out / "int8.xml", out / "int8.bin"]


if __name__ == "__main__":
    convert({"fp32": fp32, "int8": int8}, ("openvino", "nncf"))
