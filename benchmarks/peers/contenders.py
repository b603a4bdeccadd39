"""Contenders: who is compared, which environment each lives in, what converts for it and what runs it. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCHEMES = ("fp32", "int8")
PROJECT = "project"
"""The environment that mobilekit is installed in; the others are made by `run.py setup`."""


@dataclass(frozen=True)
class Contender:
    """`converter` is a file of convert/, `words` what it is told besides; `runtime` is a function of worker.py."""

    name: str
    title: str
    environment: str
    converter: str
    runtime: str
    words: tuple[str, ...] = ()
    from_onnx: bool = False
    ours: bool = False

    @property
    def script(self) -> Path:
        return HERE / "convert" / self.converter


CONTENDERS = (
    Contender("mobilekit-pte", "**mobilekit** .pte", PROJECT, "ours.py", "executorch", ("xnnpack",), ours=True),
    Contender("mobilekit-onnx", "**mobilekit** .onnx", PROJECT, "ours.py", "onnxruntime", ("onnx",), ours=True),
    Contender("executorch", "ExecuTorch's own recipe", PROJECT, "executorch_recipe.py", "executorch"),
    Contender(
        "onnxruntime", "ONNX Runtime, quantize_static", PROJECT, "onnxruntime_static.py", "onnxruntime", from_onnx=True
    ),
    Contender("litert", "LiteRT, ai-edge-quantizer", "litert", "litert.py", "litert"),
    Contender("openvino", "OpenVINO, NNCF", "openvino", "openvino_nncf.py", "openvino", from_onnx=True),
    Contender("ncnn", "ncnn, pnnx", "ncnn", "ncnn_pnnx.py", "ncnn", from_onnx=True),
)


def chosen(names: list[str] | None) -> tuple[Contender, ...]:
    """Those called `names`, and ours with them where none of ours is named; None: all. Raises SystemExit."""
    if names is None:
        return CONTENDERS
    known = [one.name for one in CONTENDERS]
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no contender is called {', '.join(unknown)}; there are {', '.join(known)}")
    without = not any(one.ours and one.name in names for one in CONTENDERS)
    return tuple(one for one in CONTENDERS if one.name in names or (without and one.ours))
