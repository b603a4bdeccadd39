"""Quantized ONNX as ONNX Runtime fuses it: activations in uint8.

PT2E quantizes activations to int8. ONNX Runtime's x86 kernels take uint8, and it shifts them by itself, but only where
one DequantizeLinear follows; around a value that two operators read, convolutions and sums stay in float. Shifted here,
all of them become integer kernels: every value and zero point 128 higher, so every number they stand for the same.
Source: "Data type selection", https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mobilekit.lower.onnx_values import Constants, constant

if TYPE_CHECKING:
    import onnx_ir as ir

_SHIFT = 128


def unsigned_activations(model: ir.Model) -> None:
    """Shift every int8 activation of `model` that only DequantizeLinear reads; weights stay int8."""
    import onnx_ir as ir

    constants = Constants(model.graph)
    for node in model.graph:
        if node.op_type != "QuantizeLinear" or not _is_int8(node):
            continue
        (value,) = node.outputs
        readers = value.consumers()
        if value.is_graph_output() or not all(one.op_type == "DequantizeLinear" and _is_int8(one) for one in readers):
            continue
        for one in (node, *readers):
            zero_point = constant(one.inputs[2])
            assert zero_point is not None, "_is_int8 has seen it"
            numbers = (zero_point.astype(np.int16) + _SHIFT).astype(np.uint8)
            one.replace_input_with(2, constants.add("zero_point_u8", numbers))
        value.dtype = ir.DataType.UINT8


def _is_int8(node: ir.Node) -> bool:
    """Whether its zero point is there, known, and int8."""
    zero_point = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    return zero_point is not None and zero_point.dtype == np.int8
