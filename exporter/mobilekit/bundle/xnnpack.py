"""Reading XNNPACK's own graph, the content of an XNNPACK delegate: its nodes and the constants they use.

The schema: executorch/backends/xnnpack/serialization/schema.fbs. Never executes it; a graph that contradicts itself is
a FlatBufferError.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mobilekit.bundle.contents import Weight
from mobilekit.bundle.flatbuffer import Buffer, FlatBufferError, Table

# The union XNodeUnion, in order, without the prefix XNN.
# fmt: off
_NODES = (
    "Add", "FullyConnected", "Softmax", "Sigmoid", "StaticTranspose", "Clamp", "Conv2d", "Div",
    "StaticResizeBilinear2D", "StaticConstantPad", "AvgPooling2d", "Minimum", "DepthwiseConv2d", "MaxPooling2d",
    "Multiply", "Subtract", "Floor", "Convert", "GlobalAvgPooling2d", "StaticReshape", "ArgMaxPooling2d",
    "SquareRoot", "Ceiling", "Hardswish", "LeakyReLU", "Maximum", "Negate", "Square", "ELU", "Abs", "PReLU",
    "Concatenate2", "Concatenate3", "Concatenate4", "StaticSlice", "ScaledDotProductAttention",
    "BatchMatrixMultiply", "Concatenate5", "ConvTranspose2d", "ReciprocalSquareRoot", "Log", "Gelu", "Tanh", "Exp",
    "Sin", "Copy", "Cos",
)
# fmt: on
# The slots that hold the values a node reads, and what a constant there is called.
_CONVOLUTION = {15: "input", 16: "filter", 17: "bias"}
_TWO = {0: "input", 1: "second input"}
_OPERANDS: dict[str, dict[int, str]] = {
    "Conv2d": _CONVOLUTION,
    "DepthwiseConv2d": _CONVOLUTION,
    "ConvTranspose2d": _CONVOLUTION,
    "FullyConnected": {0: "input", 1: "filter", 2: "bias"},
    "ScaledDotProductAttention": {0: "query", 1: "key", 2: "value", 3: "scale", 4: "mask"},
    **dict.fromkeys(("Add", "Div", "Minimum", "Multiply", "Subtract", "Maximum", "PReLU", "BatchMatrixMultiply"), _TWO),
    **{f"Concatenate{count}": {1: "input", 2: "input", 3: "input", 4: "input", 7: "input"} for count in (2, 3, 4, 5)},
}
_DTYPES = {
    1: ("float32", 32), 2: ("float16", 16), 3: ("int8", 8), 4: ("uint8", 8), 5: ("int32", 32),
    6: ("int8 per channel", 8), 7: ("int32 per channel", 32), 8: ("int4 per channel", 4), 10: ("int4 per block", 4),
    12: ("int32", 32), 14: ("bfloat16", 16),
}  # fmt: skip
_QUANTIZED = 2
_PER_CHANNEL, _PER_GROUP = 1, 4


@dataclass(frozen=True)
class XnnpackGraph:
    """Kinds of nodes in execution order, and the constants by where they are used."""

    nodes: tuple[str, ...]
    weights: tuple[Weight, ...]


@dataclass(frozen=True)
class _Constant:
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    scale_bytes: int


def read_graph(blob: bytes) -> XnnpackGraph:
    """A header (magic XH00, its offsets at bytes 10 and 14), then a FlatBuffer. Raises FlatBufferError."""
    start, size = 0, len(blob)
    if blob[4:8] == b"XH00":
        start, size = int.from_bytes(blob[10:14], "little"), int.from_bytes(blob[14:18], "little")
    graph = Buffer(blob, start, start + size)
    if graph.identifier() not in (b"XN00", b"XN01"):
        raise FlatBufferError("the data of an XNNPACK delegate is not XNNPACK's")
    root = graph.root()
    nodes = tuple((_kind(node), node) for node in root.tables(1))
    return XnnpackGraph(tuple(kind for kind, _ in nodes), tuple(_weights(nodes, _constants(root))))


def _kind(node: Table) -> str:
    kind = node.number(0, "B")
    return _NODES[kind - 1] if 0 < kind <= len(_NODES) else f"node type {kind}"


def _constants(root: Table) -> dict[int, _Constant]:
    """By the id of their value. Entry 0 of the table of constants stands for none."""
    sizes = [entry.number(1, "Q") for entry in root.tables(8)]
    found = {}
    for value in root.tables(2):
        quantized = value.number(0, "B") == _QUANTIZED
        outer = value.table(1)
        tensor = outer.table(0) if quantized and outer else outer
        index = tensor.number(3, "I") if tensor else 0
        if tensor is None or not 0 < index < len(sizes):
            continue
        dtype, bits = _DTYPES.get(tensor.number(0, "h"), ("unknown", 0))
        shape = tensor.numbers(2, "I")
        # What is stored here is sizes[index]; older files leave it out.
        stored = sizes[index] or (math.prod(shape) * bits + 7) // 8
        found[tensor.number(6, "I")] = _Constant(dtype, shape, stored, _scale_bytes(outer, sizes) if quantized else 0)
    return found


def _scale_bytes(quantized: Table | None, sizes: list[int]) -> int:
    """Bytes of the scales, where they lie among the constants."""
    kind = quantized.number(1, "B") if quantized else 0
    scales = quantized.table(2) if quantized else None
    if scales is None or kind not in (_PER_CHANNEL, _PER_GROUP):
        return 0
    index = scales.number(2 if kind == _PER_CHANNEL else 4, "I")
    return sizes[index] if 0 < index < len(sizes) else 0


def _weights(nodes: tuple[tuple[str, Table], ...], constants: dict[int, _Constant]) -> Iterator[Weight]:
    """Each constant once, at its first use; `Conv2d 3 filter` is the filter of the fourth convolution."""
    seen: dict[str, int] = {}
    left = dict(constants)
    for kind, node in nodes:
        place = seen.get(kind, 0)
        seen[kind] = place + 1
        body = node.table(1)
        for slot, role in _OPERANDS.get(kind, {}).items():
            constant = left.pop(body.number(slot, "I"), None) if body else None
            if constant is None:
                continue
            name = f"{kind} {place} {role}"
            yield Weight(name=name, dtype=constant.dtype, shape=constant.shape, bytes=constant.bytes, operator=kind)
            if constant.scale_bytes:
                yield Weight(
                    name=f"{name} scales",
                    dtype="float32",
                    shape=(constant.scale_bytes // 4,),
                    bytes=constant.scale_bytes,
                    operator=kind,
                )
    for index, constant in left.items():
        yield Weight(
            name=f"value {index}", dtype=constant.dtype, shape=constant.shape, bytes=constant.bytes, operator=""
        )
