"""Clips folded into the ranges of quantized ONNX, and roundings that round nothing. Exact: no output changes.

PT2E's program clamps between two roundings, and ONNX Runtime then computes a ReLU6 in float between a conversion from
integers and one back: in MobileNetV2 35 times. QuantizeLinear never falls where its input rises, so it may change
places with a Clip, whose bounds become whole numbers:

    quantize(clip(x, low, high)) = clip(quantize(x), quantize(low), quantize(high))

Where these are the ends of the range the Clip is implied and goes; elsewhere it stays, on bytes. A value that has been
rounded to a grid does not change when it is rounded to the same grid again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mobilekit.lower.onnx_values import Constants, Grid, constant, grid_of, read_through, readers

if TYPE_CHECKING:
    import onnx_ir as ir


def fold_clips(model: ir.Model) -> None:
    """Move each Clip and Relu that only QuantizeLinear reads behind these, or drop it where their range implies it."""
    constants = Constants(model.graph)
    for node in reversed(list(model.graph)):  # of two in a row the second one first
        bounds = _bounds(node)
        if bounds is None:
            continue
        grids = [(reader, grid_of(reader, "QuantizeLinear")) for reader in readers(node.outputs[0])]
        if not all(grid is not None and not reader.outputs[0].is_graph_output() for reader, grid in grids):
            continue
        for reader, grid in grids:
            assert grid is not None
            reader.replace_input_with(0, node.inputs[0])
            _limit(reader, grid, bounds, constants)
        if grids:
            model.graph.remove(node, safe=True)


def drop_repeated_roundings(model: ir.Model) -> None:
    """Leave out DequantizeLinear and QuantizeLinear in a row of one grid: what went in comes out.

    scale * k is k steps with a relative error below 1e-6, and k is at most 255: it rounds to k.
    """
    for node in list(model.graph):
        grid = grid_of(node, "QuantizeLinear")
        source = node.inputs[0].producer() if grid is not None and node.inputs[0] is not None else None
        if grid is None or grid_of(source, "DequantizeLinear") != grid or node.outputs[0].is_graph_output():
            continue
        assert source is not None and source.inputs[0] is not None
        node.outputs[0].replace_all_uses_with(source.inputs[0])
        model.graph.remove(node, safe=True)


def _bounds(node: ir.Node) -> tuple[float, float] | None:
    """What a Clip or Relu clamps to; None for other nodes, and where a bound is not known."""
    if node.op_type == "Relu":
        return 0.0, math.inf
    if node.op_type != "Clip":
        return None
    ends = [-math.inf, math.inf]
    for place, value in enumerate(node.inputs[1:]):
        if value is not None:
            known = constant(value)
            if known is None or known.dtype != np.float32 or known.size != 1 or math.isnan(known.item()):
                return None
            ends[place] = known.item()
    return ends[0], ends[1]


def _limit(node: ir.Node, grid: Grid, bounds: tuple[float, float], constants: Constants) -> None:
    """Clamp the integers that `node` makes, where they can be outside of `bounds`."""
    low, high = (grid.place(number) for number in bounds)
    lower = None if low == grid.lowest else constants.add(f"clip_{grid.dtype}", np.array(low, grid.dtype))
    upper = None if high == grid.highest else constants.add(f"clip_{grid.dtype}", np.array(high, grid.dtype))
    if lower is not None or upper is not None:
        (value,) = node.outputs
        read_through(value, "Clip", [lower, upper] if upper is not None else [lower], grid.dtype, value.shape)
