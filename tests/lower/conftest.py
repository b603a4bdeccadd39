"""Tiny models, captured and quantized once: one input and a dynamic batch, and two inputs; ONNX graphs from text."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from onnx_ir.passes.common import RemoveUnusedNodesPass
from torch import nn

from mobilekit.capture import Captured, capture, example_inputs
from mobilekit.quantize import quantize
from mobilekit.spec import parse_inputs


class Net(nn.Module):
    """Conv, batch norm, ReLU, max pool without a stride, flatten, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Linear(8 * 16, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(torch.flatten(torch.max_pool2d(torch.relu(self.norm(self.conv(image))), 2), 1))


class TwoInputs(nn.Module):
    """Adaptive pooling, and a second input that joins late."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Linear(12, 5)

    def forward(self, image: torch.Tensor, meta: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([self.pool(torch.relu(self.conv(image))).flatten(1), meta], 1))


@dataclass(frozen=True)
class Case:
    """A captured model, its float program, and the calibrated one."""

    captured: Captured
    programs: dict[str, torch.export.ExportedProgram]


def _case(module: nn.Module, inputs: list[str]) -> Case:
    captured = capture(module.eval(), parse_inputs(inputs))
    quantized = quantize(captured, [example_inputs(captured.inputs, seed=seed) for seed in range(8)])
    return Case(captured, {"fp32": captured.program, "int8": quantized.program})


@pytest.fixture(scope="session", params=["net", "two_inputs"])
def case(request: pytest.FixtureRequest) -> Case:
    torch.manual_seed(0)
    if request.param == "net":
        return _case(Net(), ["picture:batch=1..16,1,8,8"])
    return _case(TwoInputs(), ["picture:batch=1..8,3,16,16", "facts:batch,4"])


class Graphs:
    """Small ONNX graphs: read from ONNX's own text form, rewritten, run, and looked at as ONNX Runtime fuses them."""

    @staticmethod
    def parse(text: str) -> ir.Model:
        """`text` is a graph of opset 18: name (inputs) => (outputs) <initializers> { nodes }; what is unused goes."""
        proto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 18]> {text}')
        model = ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(proto))
        RemoveUnusedNodesPass()(model)
        return model

    @staticmethod
    def bytes_of(model: ir.Model) -> bytes:
        return ir.serde.serialize_model(model).SerializeToString()

    @staticmethod
    def run(model: ir.Model, *inputs: np.ndarray, fused: bool = True) -> list[np.ndarray]:
        """The outputs; not `fused`: node by node as the file has them."""
        proto = ir.serde.serialize_model(model)
        onnx.checker.check_model(proto, full_check=True)
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), _options(fused), providers=["CPUExecutionProvider"]
        )
        names = [one.name for one in session.get_inputs()]
        return [np.asarray(one) for one in session.run(None, dict(zip(names, inputs, strict=True)))]

    @staticmethod
    def kernels(model: ir.Model | Path) -> Counter[str]:
        """How often ONNX Runtime runs which kernel."""
        given = str(model) if isinstance(model, Path) else Graphs.bytes_of(model)
        with tempfile.TemporaryDirectory() as folder:
            options = _options(fused=True)
            options.optimized_model_filepath = f"{folder}/optimized.onnx"
            onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
            return Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)


def _options(fused: bool) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if fused else levels.ORT_DISABLE_ALL
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    return options


@pytest.fixture(scope="session")
def graphs() -> type[Graphs]:
    return Graphs
