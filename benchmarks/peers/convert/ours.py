"""mobilekit's own stages, for `xnnpack` or `onnx`: what `mobilekit export` does between capture and verification.

Started with two words more than the others: the target, and the model as the command line names it.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from common import calibration, convert

from mobilekit.capture import Captured, capture
from mobilekit.lower import TARGETS
from mobilekit.model import resolve
from mobilekit.pipeline.streaming import for_quantizing
from mobilekit.quantize import quantize


@cache
def _captured() -> Captured:
    source = resolve(sys.argv[4])
    return capture(source.build(), source.recipe.inputs)


def fp32(material: Path, out: Path) -> list[Path]:
    return _lowered(_captured(), "fp32", out)


def int8(material: Path, out: Path) -> list[Path]:
    import torch

    captured = for_quantizing(_captured())
    samples = ((torch.from_numpy(one),) for one in calibration(material))
    return _lowered(captured, "int8", out, quantize(captured, samples).program)


def _lowered(captured: Captured, scheme: str, out: Path, program: object = None) -> list[Path]:
    target = TARGETS[sys.argv[3]]
    path = out / f"model.{scheme}{target.suffix}"
    target.lower(program or captured.program, scheme, path, inputs=captured.inputs, outputs=captured.outputs)
    return [path]


if __name__ == "__main__":
    convert({"fp32": fp32, "int8": int8}, ("executorch", "onnxruntime", "torch", "torchao"))
