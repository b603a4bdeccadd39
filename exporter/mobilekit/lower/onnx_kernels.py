"""Operators of quantized ONNX in the form that ONNX Runtime has integer kernels for.

Means over a picture as GlobalAveragePool, since it makes no integers of ReduceMean. Biases as int32: from 1.21 on ONNX
Runtime makes these itself while it loads a file, but with float biases 1.20 and older run none of MobileNetV3-small's
52 convolutions in integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mobilekit.lower.onnx_values import Constants, constant, grid_of, read_through, readers

if TYPE_CHECKING:
    import onnx_ir as ir

_SPATIAL = (2, 3)


def pool_means(model: ir.Model) -> None:
    """ReduceMean over height and width, between integers, becomes GlobalAveragePool: the same mean.

    The integer kernel sums whole numbers and rounds once, so that a result may differ from float's by one step where
    it lies in the middle between two to the last digit of float32.
    """
    import onnx_ir as ir

    constants = Constants(model.graph)
    for node in list(model.graph):
        if node.op_type != "ReduceMean" or not _over_pictures(node):
            continue
        (value,) = node.outputs
        quantizers = readers(value)
        known = all(grid_of(one, "QuantizeLinear") and not one.outputs[0].is_graph_output() for one in quantizers)
        if not quantizers or not known:
            continue
        source = node.inputs[0]
        assert source is not None and source.shape is not None
        flat = not node.attributes.get_int("keepdims", 1)
        pooled = ir.Value(type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([*source.shape[:2], 1, 1]))
        model.graph.insert_after(node, ir.Node("", "GlobalAveragePool", [source], outputs=[pooled]))
        for one in quantizers:
            one.replace_input_with(0, pooled)
            if flat:
                _squeeze(one.outputs[0], constants)
        model.graph.remove(node, safe=True)


def integer_biases(model: ir.Model) -> None:
    """A bias of an integer convolution or Gemm becomes int32, its scale the product of the input's and the weight's.

    That is the grid that the integer kernels add it on; ONNX Runtime rounds a float bias to the same numbers.
    """
    import onnx_ir as ir

    constants = Constants(model.graph)
    for node in list(model.graph):
        found = _bias(node)
        if found is None:
            continue
        bias, scale = found
        with np.errstate(over="ignore"):
            numbers = np.rint(bias / scale)
        if not np.abs(numbers).max(initial=0) < 2**31:
            continue
        inputs = [
            constants.add("bias_i32", numbers.astype(np.int32)),
            constants.add("bias_scale", scale),
        ]
        value = ir.Value(type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(bias.shape))
        dequantize = ir.Node("", "DequantizeLinear", inputs, {"axis": ir.AttrInt64("axis", 0)}, outputs=[value])
        model.graph.insert_before(node, dequantize)
        node.replace_input_with(2, value)


def _over_pictures(node: ir.Node) -> bool:
    """Whether it is the mean over the last two of four dimensions, of a value made of integers."""
    source, axes = node.inputs[0], constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if source is None or source.shape is None or len(source.shape) != 4 or axes is None:
        return False
    return tuple(sorted(int(axis) % 4 for axis in axes.ravel())) == _SPATIAL and bool(
        grid_of(source.producer(), "DequantizeLinear")
    )


def _squeeze(value: ir.Value, constants: Constants) -> None:
    """Height and width of 1, which `value` now has, are left out for all that reads it."""
    import onnx_ir as ir

    flat, grid = value.shape, grid_of(value.producer(), "QuantizeLinear")
    assert flat is not None and grid is not None
    read_through(value, "Squeeze", [constants.add("picture_axes", np.array(_SPATIAL, np.int64))], grid.dtype, flat)
    value.shape = ir.Shape([*flat[:2], 1, 1])


def _bias(node: ir.Node) -> tuple[np.ndarray, np.ndarray] | None:
    """The float bias of an integer Conv or Gemm, and the scale of the products it is added to, where both are known."""
    if node.op_type not in ("Conv", "Gemm") or len(node.inputs) < 3:
        return None
    if any(node.attributes.get_float(name, 1.0) != 1.0 for name in ("alpha", "beta")):
        return None
    data, weight, bias = node.inputs[:3]
    grid = grid_of(data.producer(), "DequantizeLinear") if data is not None else None
    scale, numbers = _weight_scale(node, weight), constant(bias)
    if grid is None or scale is None or numbers is None or numbers.dtype != np.float32 or numbers.ndim != 1:
        return None
    products = np.float32(grid.scale) * scale
    if products.shape not in ((), numbers.shape) or not products.all():
        return None
    return numbers, products


def _weight_scale(node: ir.Node, weight: ir.Value | None) -> np.ndarray | None:
    """The scale of a weight in bytes: one number, or one for each output channel."""
    source = weight.producer() if weight is not None else None
    if source is None or source.op_type != "DequantizeLinear":
        return None
    numbers, scale = constant(source.inputs[0]), constant(source.inputs[1])
    if numbers is None or numbers.dtype not in (np.int8, np.uint8) or scale is None or scale.dtype != np.float32:
        return None
    outputs = 1 if node.op_type == "Gemm" and not node.attributes.get_int("transB", 0) else 0
    if scale.size > 1 and source.attributes.get_int("axis", 1) != outputs:
        return None
    return scale.reshape(()) if scale.size == 1 else scale
