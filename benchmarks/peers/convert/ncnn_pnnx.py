"""ncnn: the float ONNX file through pnnx. Its int8 tools are separate programs that its Python packages do not bring.

Source: https://github.com/Tencent/ncnn/tree/master/tools/pnnx
"""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from common import NotOfferedError, convert


def fp32(material: Path, out: Path) -> list[Path]:
    spec = find_spec("pnnx")  # the program that the package holds; importing the package would want torch
    assert spec is not None and spec.origin is not None
    shape = [1, *np.load(material / "test.npy", mmap_mode="r").shape[1:]]
    sides = ("pnnxparam", "pnnxbin", "pnnxpy", "pnnxonnx", "ncnnpy")
    files = {"ncnnparam": out / "model.param", "ncnnbin": out / "model.bin"}
    words = [f"inputshape={str(shape).replace(' ', '')}", "fp16=0"]  # by default weights are stored as float16
    words += [f"{name}={out / f'aside.{name}'}" for name in sides]
    words += [f"{name}={file}" for name, file in files.items()]
    program = Path(spec.origin).parent / "pnnx"
    subprocess.run([program, material / "model.onnx", *words], check=True, cwd=out)
    return list(files.values())


def int8(material: Path, out: Path) -> list[Path]:
    raise NotOfferedError("ncnn2table and ncnn2int8 are not in ncnn's or pnnx's Python packages")


if __name__ == "__main__":
    convert({"fp32": fp32, "int8": int8}, ("ncnn", "pnnx"))
