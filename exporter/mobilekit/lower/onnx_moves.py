"""What only moves numbers, in quantized ONNX, moves the integers themselves. Exact: no output changes.

ONNX Runtime does so where the values before and behind are on one grid. ShuffleNet's are not: each half of a Split gets
a scale of its own, and thirteen Splits are of floats, with a conversion before and two behind each. Rounding looks at
one number at a time, so it does not matter whether that happens before the numbers are parted or afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobilekit.lower.onnx_values import Grid, grid_of, read_through, readers

if TYPE_CHECKING:
    import onnx_ir as ir

_MOVES = frozenset(["Flatten", "Reshape", "Split", "Squeeze", "Transpose", "Unsqueeze"])


def move_integers(model: ir.Model) -> None:
    """Change places of a DequantizeLinear and the moves behind it, up to where the numbers are rounded again."""
    import onnx_ir as ir

    for node in list(model.graph):
        source = node.inputs[0].producer() if node.op_type in _MOVES and node.inputs[0] is not None else None
        grid = grid_of(source, "DequantizeLinear")
        if source is None or grid is None or not all(map(_ends_rounded, node.outputs)):
            continue
        numbers, *scale = source.inputs
        node.replace_input_with(0, numbers)
        for part in node.outputs:
            part.type = ir.TensorType(ir.DataType[grid.dtype.upper()])
            read_through(part, "DequantizeLinear", scale, "float", part.shape)


def concat_before_rounding(model: ir.Model) -> None:
    """What a Concat reads need not be rounded to the grid that its own result is rounded to, if it is integers anyway.

    The integer Concat takes each input on the grid that it is on. Where the value comes from a convolution the rounding
    stays, for it is what makes that an integer kernel.
    """
    for node in model.graph:
        result = _rounded_to(node.outputs[0]) if node.op_type == "Concat" else None
        if result is None:
            continue
        for index, value in enumerate(node.inputs):
            dequantize = value.producer() if value is not None else None
            if grid_of(dequantize, "DequantizeLinear") != result:
                continue
            assert dequantize is not None and dequantize.inputs[0] is not None
            quantize = dequantize.inputs[0].producer()
            if grid_of(quantize, "QuantizeLinear") != result:
                continue
            assert quantize is not None and quantize.inputs[0] is not None
            if grid_of(quantize.inputs[0].producer(), "DequantizeLinear"):
                node.replace_input_with(index, quantize.inputs[0])


def _rounded_to(value: ir.Value) -> Grid | None:
    """The one grid to which all that read it round it."""
    grids = {grid_of(one, "QuantizeLinear") for one in readers(value)}
    return grids.pop() if len(grids) == 1 else None


def _ends_rounded(value: ir.Value) -> bool:
    """Whether it is moved at most, and then rounded, wherever it goes."""
    found = readers(value)
    return bool(found) and all(
        all(map(_ends_rounded, one.outputs)) if one.op_type in _MOVES else grid_of(one, "QuantizeLinear")
        for one in found
    )
