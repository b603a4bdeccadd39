"""Reading a .pte: what an ExecuTorch program needs and holds. Never executes it, never imports a runtime.

A plain, bounds-checked reading of the file (schema: executorch/schema/program.fbs, identifier ET12), so that a
damaged file is refused with a reason: the bare runtime accepts some of them and crashes on others. What cannot be
seen this way is a changed weight; that is what the hashes in bundle.json are for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mobilekit.bundle.flatbuffer import Buffer, FlatBufferError, Table
from mobilekit.errors import BundleError
from mobilekit.spec.base import Spec

_HEADER_MAGIC = b"eh00"
_KERNEL_CALL, _DELEGATE_CALL = 1, 2
_TENSOR = 5
_INLINE, _SEGMENT = 0, 1
_DTYPES = {
    0: "uint8",
    1: "int8",
    2: "int16",
    3: "int32",
    4: "int64",
    5: "float16",
    6: "float32",
    7: "float64",
    11: "bool",
}
_DTYPES |= {15: "bfloat16", 27: "uint16", 28: "uint32", 29: "uint64"}
# The union XNodeUnion of executorch/backends/xnnpack/serialization/schema.fbs, in order, without the prefix XNN.
# fmt: off
_XNNPACK_NODES = (
    "Add", "FullyConnected", "Softmax", "Sigmoid", "StaticTranspose", "Clamp", "Conv2d", "Div",
    "StaticResizeBilinear2D", "StaticConstantPad", "AvgPooling2d", "Minimum", "DepthwiseConv2d", "MaxPooling2d",
    "Multiply", "Subtract", "Floor", "Convert", "GlobalAvgPooling2d", "StaticReshape", "ArgMaxPooling2d",
    "SquareRoot", "Ceiling", "Hardswish", "LeakyReLU", "Maximum", "Negate", "Square", "ELU", "Abs", "PReLU",
    "Concatenate2", "Concatenate3", "Concatenate4", "StaticSlice", "ScaledDotProductAttention",
    "BatchMatrixMultiply", "Concatenate5", "ConvTranspose2d", "ReciprocalSquareRoot", "Log", "Gelu", "Tanh", "Exp",
    "Sin", "Copy", "Cos",
)
# fmt: on
Count = Annotated[int, Field(ge=0)]


class OperatorCount(Spec):
    """An operator and how often it occurs."""

    name: str
    count: Count


class TensorInfo(Spec):
    """An input or output as a file declares it. A dimension that may vary is text: `batch`, `1..8`, `..8`, `?`."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class Delegate(Spec):
    """One part of the program that a backend runs as a whole."""

    backend: str
    bytes: Count
    nodes: tuple[OperatorCount, ...] = Field(default=(), description="inside it; known for XnnpackBackend only")

    @property
    def node_count(self) -> int:
        return sum(node.count for node in self.nodes)


class PteSummary(Spec):
    """What a .pte needs to run, and what it is made of. Figures are sums over its methods."""

    bytes: Count
    schema_version: Count
    methods: tuple[str, ...]
    inputs: tuple[TensorInfo, ...] = Field(description="of the first method; an upper bound is written `..8`")
    outputs: tuple[TensorInfo, ...]
    delegates: tuple[Delegate, ...]
    operators: tuple[OperatorCount, ...] = Field(description="kernel calls outside delegates, the most frequent first")
    planned_memory_bytes: Count = Field(description="activations outside delegates")
    constant_bytes: Count = Field(description="weights and other data, of delegates too")

    @property
    def backends(self) -> tuple[str, ...]:
        """Backends that the runtime must have registered."""
        return tuple(sorted({delegate.backend for delegate in self.delegates}))

    @property
    def delegated_nodes(self) -> int:
        return sum(delegate.node_count for delegate in self.delegates)

    @property
    def portable_nodes(self) -> int:
        """Kernel calls outside delegates."""
        return sum(operator.count for operator in self.operators)


def counted(names: Counter[str]) -> tuple[OperatorCount, ...]:
    """A histogram, the most frequent first, equal counts by name."""
    ordered = sorted(names.items(), key=lambda item: (-item[1], item[0]))
    return tuple(OperatorCount(name=name, count=count) for name, count in ordered)


def read_pte(path: Path) -> PteSummary:
    """Read a program file. Raises BundleError when it is missing, truncated, damaged or something else."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return _summary(data)
    except FlatBufferError as error:
        raise BundleError(f"{path}: not a whole ExecuTorch program: {error}", hint="copy or export it again") from error


def planned_memory(path: Path) -> int | None:
    """What `read_pte` says of activations outside delegates; None for what is no .pte file. Raises BundleError."""
    return read_pte(path).planned_memory_bytes if path.suffix == ".pte" else None


@dataclass(frozen=True)
class _File:
    """The program table, and where the segments behind it lie in the file."""

    data: bytes
    program: Table
    segments: tuple[tuple[int, int], ...]


def _summary(data: bytes) -> PteSummary:
    file = _opened(data)
    plans = list(file.program.tables(1))
    if not plans:
        raise FlatBufferError("it has no methods")
    operators: Counter[str] = Counter()
    for plan in plans:
        operators.update(_kernel_calls(plan))
    return PteSummary(
        bytes=len(data),
        schema_version=file.program.number(0, "I"),
        methods=tuple(plan.text(0) for plan in plans),
        inputs=_tensors(plans[0], 3, "input"),
        outputs=_tensors(plans[0], 4, "output"),
        delegates=tuple(delegate for plan in plans for delegate in _delegates(file, plan)),
        operators=counted(operators),
        # Entry 0 is reserved by the format.
        planned_memory_bytes=sum(max(size, 0) for plan in plans for size in plan.numbers(8, "q")[1:]),
        constant_bytes=_constant_bytes(file),
    )


def _opened(data: bytes) -> _File:
    if data[4:6] != b"ET":
        raise FlatBufferError("the identifier ET12 is missing" if len(data) >= 8 else f"it has only {len(data)} bytes")
    program_size, base = len(data), 0
    if data[8:12] == _HEADER_MAGIC:
        if len(data) < 40:
            raise FlatBufferError(f"it ends after {len(data)} bytes, inside its header")
        program_size, base, segment_bytes = (int.from_bytes(data[at : at + 8], "little") for at in (16, 24, 32))
        needed = max(program_size, base + segment_bytes if base else 0)
        if needed > len(data):
            raise FlatBufferError(f"it should have {needed} bytes, and has {len(data)}")
    program = Buffer(data, 0, program_size).root()
    segments = []
    for index, segment in enumerate(program.tables(4)):
        start, size = base + segment.number(0, "Q"), segment.number(1, "Q")
        if not base or start + size > len(data):
            raise FlatBufferError(f"data segment {index} ends at byte {start + size} of {len(data)}")
        segments.append((start, size))
    return _File(data, program, tuple(segments))


def _kernel_calls(plan: Table) -> Counter[str]:
    names = []
    for operator in plan.tables(6):
        name, overload = operator.text(0), operator.text(1)
        names.append(f"{name}.{overload}" if overload else name)
    calls: Counter[str] = Counter()
    delegates = sum(1 for _ in plan.tables(7))
    for chain in plan.tables(5):
        for instruction in chain.tables(2):
            kind, call = instruction.number(0, "B"), instruction.table(1)
            if kind in (_KERNEL_CALL, _DELEGATE_CALL):
                index = call.number(0, "i") if call else -1
                if not 0 <= index < (len(names) if kind == _KERNEL_CALL else delegates):
                    raise FlatBufferError(f"an instruction calls entry {index}, which is not there")
                if kind == _KERNEL_CALL:
                    calls[names[index]] += 1
    return calls


def _tensors(plan: Table, slot: int, prefix: str) -> tuple[TensorInfo, ...]:
    values = list(plan.tables(2))
    indices = plan.numbers(slot, "i")
    infos = []
    for position, index in enumerate(indices):
        if not 0 <= index < len(values):
            raise FlatBufferError(f"{prefix} {position} is value {index}, which is not there")
        name = prefix if len(indices) == 1 else f"{prefix}{position}"
        tensor = values[index].table(1)
        if values[index].number(0, "B") != _TENSOR or tensor is None:
            infos.append(TensorInfo(name=name, dtype="not a tensor", shape=()))
            continue
        code, sizes, dynamism = tensor.number(0, "b"), tensor.numbers(2, "i"), tensor.number(8, "b")
        shape = tuple(_dimension(size, dynamism) for size in sizes)
        infos.append(TensorInfo(name=name, dtype=_DTYPES.get(code, f"type {code}"), shape=shape))
    return tuple(infos)


def _dimension(size: int, dynamism: int) -> int | str:
    """The file knows only per tensor whether its shape may vary, and up to where; a 1 cannot."""
    if dynamism == 0 or (dynamism == 1 and size == 1):
        return size
    return f"..{size}" if dynamism == 1 else "?"


def _delegates(file: _File, plan: Table) -> list[Delegate]:
    inline = list(file.program.tables(3))
    found = []
    for index, delegate in enumerate(plan.tables(7)):
        backend, reference = delegate.text(0), delegate.table(1)
        location = reference.number(0, "b") if reference else _INLINE
        place = reference.number(1, "I") if reference else 0
        if location == _SEGMENT and place < len(file.segments):
            start, size = file.segments[place]
            blob = file.data[start : start + size]
        elif location == _INLINE and place < len(inline):
            blob = inline[place].blob(0)
        else:
            raise FlatBufferError(f"the data of delegate {index} is not there")
        nodes = _xnnpack_nodes(blob) if backend == "XnnpackBackend" else ()
        found.append(Delegate(backend=backend, bytes=len(blob), nodes=nodes))
    return found


def _xnnpack_nodes(blob: bytes) -> tuple[OperatorCount, ...]:
    """Nodes of XNNPACK's own graph: a header (magic XH00, its offsets at bytes 10 and 14), then a FlatBuffer."""
    start, size = 0, len(blob)
    if blob[4:8] == b"XH00":
        start, size = int.from_bytes(blob[10:14], "little"), int.from_bytes(blob[14:18], "little")
    graph = Buffer(blob, start, start + size)
    if graph.identifier() not in (b"XN00", b"XN01"):
        raise FlatBufferError("the data of an XNNPACK delegate is not XNNPACK's")
    names: Counter[str] = Counter()
    for node in graph.root().tables(1):
        kind = node.number(0, "B")
        names[_XNNPACK_NODES[kind - 1] if 0 < kind <= len(_XNNPACK_NODES) else f"node type {kind}"] += 1
    return counted(names)


def _constant_bytes(file: _File) -> int:
    """Segments, plus what older files hold inline."""
    inline = 0
    for slot in (2, 3):
        for entry in file.program.tables(slot):
            start, end = entry.span(0)
            inline += end - start
    return inline + sum(size for _, size in file.segments)
