"""Constants and integer grids of an ONNX graph: what the rewrites for ONNX Runtime read from it and add to it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Grid:
    """The numbers that one QuantizeLinear or DequantizeLinear of whole tensors knows: scale * (q - zero_point)."""

    scale: float
    zero_point: int
    dtype: str

    @property
    def lowest(self) -> int:
        return int(np.iinfo(self.dtype).min)

    @property
    def highest(self) -> int:
        return int(np.iinfo(self.dtype).max)

    def place(self, number: float) -> int:
        """QuantizeLinear of one number: in float32, halves to even, then clamped."""
        with np.errstate(over="ignore"):
            steps = float(np.rint(np.float32(number) / np.float32(self.scale)))
        return int(min(max(steps + self.zero_point, self.lowest), self.highest))


def grid_of(node: ir.Node | None, op_type: str) -> Grid | None:
    """The grid of `node`, if it is an `op_type` with one known scale and one known zero point in int8 or uint8."""
    if node is None or node.op_type != op_type or len(node.inputs) < 3:
        return None
    scale, zero_point = constant(node.inputs[1]), constant(node.inputs[2])
    if scale is None or zero_point is None or scale.size != 1 or zero_point.size != 1:
        return None
    if scale.dtype != np.float32 or zero_point.dtype not in (np.int8, np.uint8):
        return None
    if not np.finfo(np.float32).tiny <= scale.item() <= np.finfo(np.float32).max / 256:
        return None  # beyond, a step is not one float32 apart from the next
    return Grid(scale.item(), zero_point.item(), zero_point.dtype.name)


def readers(value: ir.Value) -> tuple[ir.Node, ...]:
    """The nodes that take `value` as their first input; none where it goes anywhere else as well."""
    uses = tuple(value.uses())
    if value.is_graph_output() or any(index != 0 for _, index in uses):
        return ()
    return tuple(node for node, _ in uses)


def constant(value: ir.Value | None) -> np.ndarray | None:
    """What `value` is whatever the input; None when it depends on that, or is not known."""
    import onnx_ir as ir

    tensor = ir.convenience.get_const_tensor(value) if value is not None else None
    return None if tensor is None else tensor.numpy()


def read_through(
    value: ir.Value, op_type: str, inputs: Sequence[ir.Value | None], dtype: str, shape: ir.Shape | None
) -> None:
    """Put a node of `value` and further `inputs` between `value` and all that reads it so far."""
    import onnx_ir as ir

    users, producer = tuple(value.uses()), value.producer()
    assert producer is not None and producer.graph is not None
    through = ir.Value(type=ir.TensorType(ir.DataType[dtype.upper()]), shape=shape)
    for user, index in users:
        user.replace_input_with(index, through)
    producer.graph.insert_after(producer, ir.Node("", op_type, [value, *inputs], outputs=[through]))


class Constants:
    """New initializers of `graph`, one for all that are equal, under names that nothing else has."""

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._made: dict[tuple[str, str, tuple[int, ...], bytes], ir.Value] = {}
        made = (value for node in graph.all_nodes() for value in node.outputs)
        self._used = {value.name for value in (*graph.inputs, *graph.initializers.values(), *made)}

    def add(self, prefix: str, numbers: np.ndarray) -> ir.Value:
        """An initializer of `numbers`, called `prefix` and a number."""
        import onnx_ir as ir

        key = prefix, numbers.dtype.name, numbers.shape, numbers.tobytes()
        if key not in self._made:
            name = next(name for n in itertools.count() if (name := f"{prefix}_{n}") not in self._used)
            self._used.add(name)
            tensor = ir.tensor(numbers, name=name)
            self._made[key] = ir.Value(
                name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(numbers.shape), const_value=tensor
            )
            self._graph.register_initializer(self._made[key])
        return self._made[key]
