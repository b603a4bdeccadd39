"""Quantized ONNX as ONNX Runtime fuses it: activations in uint8.

PT2E quantizes activations to int8. ONNX Runtime's x86 kernels take uint8, and it shifts them by itself, but only where
one DequantizeLinear follows; around a value that two operators read, convolutions and sums stay in float. Shifted here,
all of them become integer kernels: every value and zero point 128 higher, so every number they stand for the same.
Source: "Data type selection", https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir

_SHIFT = 128


def unsigned_activations(model: ir.Model) -> None:
    """Shift every int8 activation of `model` that only DequantizeLinear reads; weights stay int8."""
    import onnx_ir as ir
    from onnx_ir.passes.common import RemoveUnusedNodesPass

    shifted = _shifter(model.graph)
    for node in model.graph:
        if node.op_type != "QuantizeLinear" or not _is_int8(node):
            continue
        (value,) = node.outputs
        readers = value.consumers()
        if value.is_graph_output() or not all(one.op_type == "DequantizeLinear" and _is_int8(one) for one in readers):
            continue
        for one in (node, *readers):
            one.replace_input_with(2, shifted(one.inputs[2]))
        value.dtype = ir.DataType.UINT8
    RemoveUnusedNodesPass()(model)


def _is_int8(node: ir.Node) -> bool:
    """Whether its zero point is there, known, and int8."""
    zero_point = _constant(node.inputs[2]) if len(node.inputs) > 2 else None
    return zero_point is not None and zero_point.dtype == np.int8


def _constant(value: ir.Value | None) -> np.ndarray | None:
    import onnx_ir as ir

    tensor = ir.convenience.get_const_tensor(value) if value is not None else None
    return None if tensor is None else tensor.numpy()


def _shifter(graph: ir.Graph) -> Callable[[ir.Value | None], ir.Value]:
    """A zero point -> the same, shifted: one new initializer for all that are equal."""
    import onnx_ir as ir

    made: dict[tuple[tuple[int, ...], bytes], ir.Value] = {}

    def shifted(value: ir.Value | None) -> ir.Value:
        zero_point = _constant(value)
        assert zero_point is not None, "only known zero points are shifted"
        key = zero_point.shape, zero_point.tobytes()
        if key not in made:
            numbers = (zero_point.astype(np.int16) + _SHIFT).astype(np.uint8)
            name = f"zero_point_u8_{len(made)}"
            new = ir.Value(
                name=name,
                type=ir.TensorType(ir.DataType.UINT8),
                shape=ir.Shape(numbers.shape),
                const_value=ir.tensor(numbers, name=name),
            )
            graph.register_initializer(new)
            made[key] = new
        return made[key]

    return shifted
