"""Small ONNX models, made at once and without torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

WEIGHT = np.array([[1.0, -1.0, 0.5], [0.25, 2.0, -0.75]], np.float32)


@pytest.fixture
def classifier(tmp_path: Path) -> Callable[..., Path]:
    """`logits = x @ weight` for x float32 [batch, 2]; `extra` nodes and outputs may be added."""
    from onnx import TensorProto, helper, numpy_helper, save

    def make(weight: np.ndarray = WEIGHT, *, outputs: dict[str, list[object]] | None = None, nodes: tuple = ()) -> Path:
        shapes = outputs or {"logits": ["batch", 3]}
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "weight"], ["logits"]), *(helper.make_node(*one) for one in nodes)],
            "classifier",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
            [numpy_helper.from_array(weight, "weight")],
        )
        path = tmp_path / "classifier.onnx"
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))
        return path

    return make


@pytest.fixture
def samples() -> list[tuple[np.ndarray, ...]]:
    rng = np.random.default_rng(0)
    return [(rng.standard_normal((1, 2)).astype(np.float32),) for _ in range(40)]
