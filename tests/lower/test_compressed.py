"""Compressed files: which weights became what, and models of which nothing would become smaller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.capture import capture
from mobilekit.errors import QuantizeError
from mobilekit.lower import TARGETS
from mobilekit.lower.onnx import IR_VERSION
from mobilekit.lower.onnx_compressed import _symmetric
from mobilekit.runners import Worker
from mobilekit.spec import parse_inputs
from mobilekit.verify import sqnr_db

pytestmark = pytest.mark.slow


class Mixed(nn.Module):
    """Each kind of layer whose weight has its output channels elsewhere, one of them with a channel of zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.back = nn.Conv2d(4, 24, 3), nn.ConvTranspose2d(24, 8, 3)
        self.token, self.gemm = nn.Linear(64, 96), nn.Linear(96, 32)
        self.gru = nn.GRU(32, 32, batch_first=True)
        self.first.weight.data[3] = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.back(torch.relu(self.first(x))).flatten(2)  # 1, 8, 64
        x = self.gemm(torch.relu(self.token(x)))
        return self.gru(x)[0][:, -1]


def _lower(module: nn.Module, inputs: str, target: str, scheme: str, folder: Path) -> Any:
    taken = capture(module.eval(), parse_inputs([inputs]))
    one = TARGETS[target]
    path = folder / f"{scheme}{one.suffix}"
    return one.lower(taken.program, scheme, path, inputs=taken.inputs, outputs=taken.outputs), taken


@pytest.mark.parametrize(
    ("scheme", "share", "least_db"),
    [("fp16", 0.6, 55), ("int8-weight-only", 0.55, 30), ("int8-dynamic", 0.7, 30), ("int4-weight-only", 0.7, 10)],
)
def test_onnx_of_every_kind_of_layer(tmp_path: Path, scheme: str, share: float, least_db: float) -> None:
    import onnx

    torch.manual_seed(0)
    module = Mixed()
    lowered, taken = _lower(module, "x:1,4,8,8", "onnx", scheme, tmp_path)
    plain, _ = _lower(module, "x:1,4,8,8", "onnx", "fp32", tmp_path)
    model = onnx.load(lowered.path)
    onnx.checker.check_model(model)
    assert (model.ir_version, [one.name for one in model.graph.input]) == (IR_VERSION, ["x"])
    assert [one.name for one in model.graph.output] == ["output"] and not model.metadata_props
    assert lowered.path.stat().st_size < share * plain.path.stat().st_size
    x = np.random.default_rng(0).normal(size=(1, 4, 8, 8)).astype(np.float32)
    with torch.no_grad():
        wanted = [(taken.program.module()(torch.from_numpy(x)).numpy(),)]
    with Worker("onnx", lowered.path, threads=1) as worker:
        given = worker.run([(x,)])
    assert least_db < (sqnr_db(wanted, given) or 0) < 110
    again, _ = _lower(module, "x:1,4,8,8", "onnx", scheme, tmp_path)
    assert again.path.read_bytes() == lowered.path.read_bytes()


class Twice(nn.Module):
    """A square layer used twice: turned over once too often, it would fit all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(torch.relu(self.layer(x)))


@pytest.mark.parametrize(("scheme", "least_db"), [("int8-dynamic", 30), ("int4-weight-only", 10)])
def test_layers_that_share_their_weights(tmp_path: Path, scheme: str, least_db: float) -> None:
    import onnxruntime

    torch.manual_seed(0)
    lowered, taken = _lower(Twice(), "x:1,64", "onnx", scheme, tmp_path)
    x = np.random.default_rng(0).normal(size=(1, 64)).astype(np.float32)
    given = onnxruntime.InferenceSession(lowered.path).run(None, {"x": x})[0]
    with torch.no_grad():
        wanted = taken.program.module()(torch.from_numpy(x)).numpy()
    assert (sqnr_db([(wanted,)], [(given,)]) or 0) > least_db
    assert lowered.path.stat().st_size < 9_000, "one weight, not two"


def test_scales_are_of_the_axis_and_zeros_stay_zeros() -> None:
    values = np.array([[1.0, -127.0], [0.0, 0.0], [2.0, 0.5]], np.float32)
    integers, scales = _symmetric(values, 0)
    assert integers.tolist() == [[1, -127], [0, 0], [127, 32]]
    assert scales.tolist() == pytest.approx([1, 1, 2 / 127])
    assert _symmetric(values, 1)[1].shape == (2,)


@pytest.mark.parametrize(
    ("target", "scheme", "says"),
    [
        ("onnx", "int8-dynamic", "int8-dynamic quantizes linear layers, and this model has none"),
        ("onnx", "int4-weight-only", "none with a multiple of 32 inputs"),
        ("onnx", "int8-weight-only", "no convolution or linear layer with a weight of 512 values or more"),
        ("onnx", "fp16", "no weight of 512 values or more"),
        ("coreml", "int8-weight-only", "no weight of 512 values or more"),
        ("coreml", "palettize-4", "no weight of 512 values or more"),
    ],
)
def test_a_model_that_would_stay_as_it_is(tmp_path: Path, target: str, scheme: str, says: str) -> None:
    with pytest.raises(QuantizeError, match=says) as refused:
        _lower(nn.Conv2d(2, 3, 3), "x:1,2,8,8", target, scheme, tmp_path)
    assert refused.value.hint is not None
    assert list(tmp_path.iterdir()) == []


def test_onnx_weights_beyond_float16(tmp_path: Path) -> None:
    layer = nn.Linear(32, 32)
    layer.weight.data[1, 2] = 70_000
    with pytest.raises(QuantizeError, match=r"holds 7e\+04, and float16 ends at 65504"):
        _lower(layer, "x:1,32", "onnx", "fp16", tmp_path)
