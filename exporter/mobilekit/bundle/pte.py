"""Reading a .pte: what an ExecuTorch program needs and holds. Never executes it, never imports a runtime.

A plain, bounds-checked reading of the file (schema: executorch/schema/program.fbs, identifier ET12), so that a
damaged file is refused with a reason: the bare runtime accepts some of them and crashes on others. What cannot be
seen this way is a changed weight; that is what the hashes in bundle.json are for.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from mobilekit.bundle.contents import Call, Count, Delegate, OperatorCount, TensorInfo, Weight, counted
from mobilekit.bundle.flatbuffer import Buffer, FlatBufferError, Table
from mobilekit.bundle.xnnpack import XnnpackGraph, read_graph
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
_BITS = {"bool": 8, "unknown": 0}


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
    calls: tuple[Call, ...] = Field(description="kernels and delegates, in the order they run")
    weights: tuple[Weight, ...] = Field(description="of kernels, and of delegates whose format is known")

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
    plans = [_Plan(table) for table in file.program.tables(1)]
    if not plans:
        raise FlatBufferError("it has no methods")
    calls: list[Call] = []
    delegates: list[Delegate] = []
    weights: list[Weight] = []
    for plan in plans:
        mine = plan.calls(first_delegate=len(delegates))
        calls += mine
        weights += plan.weights(mine)
        for backend, blob in _delegate_data(file, plan.table):
            graph = read_graph(blob) if backend == "XnnpackBackend" else XnnpackGraph((), ())
            weights += _prefixed(graph.weights, len(delegates))
            delegates.append(
                Delegate(
                    backend=backend,
                    bytes=len(blob),
                    nodes=counted(Counter(graph.nodes)),
                    weight_bytes=sum(weight.bytes for weight in graph.weights),
                )
            )
    return PteSummary(
        bytes=len(data),
        schema_version=file.program.number(0, "I"),
        methods=tuple(plan.name for plan in plans),
        inputs=plans[0].interface(3, "input"),
        outputs=plans[0].interface(4, "output"),
        delegates=tuple(delegates),
        operators=counted(Counter(call.operator for call in calls if call.operator is not None)),
        # Entry 0 is reserved by the format.
        planned_memory_bytes=sum(max(size, 0) for plan in plans for size in plan.table.numbers(8, "q")[1:]),
        constant_bytes=_constant_bytes(file),
        calls=tuple(calls),
        weights=tuple(weights),
    )


def _prefixed(weights: tuple[Weight, ...], delegate: int) -> list[Weight]:
    return [weight.model_copy(update={"name": f"delegate {delegate}: {weight.name}"}) for weight in weights]


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


@dataclass(frozen=True)
class _Value:
    """A tensor among a plan's values; `constant` when the file holds its content."""

    info: TensorInfo
    constant: bool


class _Plan:
    """One method: its values are read once, however many instructions use them."""

    def __init__(self, table: Table) -> None:
        self.table, self.name = table, table.text(0)
        self._values = list(table.tables(2))
        self._read: dict[int, _Value | None] = {}

    def calls(self, first_delegate: int) -> list[Call]:
        names = []
        for operator in self.table.tables(6):
            name, overload = operator.text(0), operator.text(1)
            names.append(f"{name}.{overload}" if overload else name)
        delegates = sum(1 for _ in self.table.tables(7))
        found = []
        for place, chain in enumerate(self.table.tables(5)):
            for number, instruction in enumerate(chain.tables(2)):
                kind, call = instruction.number(0, "B"), instruction.table(1)
                if kind not in (_KERNEL_CALL, _DELEGATE_CALL):
                    continue
                index = call.number(0, "i") if call else -1
                if not 0 <= index < (len(names) if kind == _KERNEL_CALL else delegates):
                    raise FlatBufferError(f"an instruction calls entry {index}, which is not there")
                kernel = kind == _KERNEL_CALL
                found.append(
                    Call(
                        method=self.name,
                        chain=place,
                        instruction=number,
                        operator=names[index] if kernel else None,
                        delegate=None if kernel else first_delegate + index,
                        tensors=self._arguments(call) if kernel and call else (),
                    )
                )
        return found

    def _arguments(self, call: Table) -> tuple[TensorInfo, ...]:
        once = dict.fromkeys(index for index in call.numbers(1, "i") if 0 <= index < len(self._values))
        found = (self._tensor(index) for index in once)
        return tuple(value.info for value in found if value is not None)

    def weights(self, calls: list[Call]) -> list[Weight]:
        """Constants outside delegates, each once, under the first kernel that takes them."""
        users: dict[str, str] = {}
        for call in calls:
            for tensor in call.tensors:
                users.setdefault(tensor.name, call.operator or "")
        known = (value for value in self._read.values() if value is not None and value.constant)
        return [_weight(value.info, users.get(value.info.name, "")) for value in known]

    def interface(self, slot: int, prefix: str) -> tuple[TensorInfo, ...]:
        """Inputs or outputs of the method."""
        indices = self.table.numbers(slot, "i")
        infos = []
        for position, index in enumerate(indices):
            if not 0 <= index < len(self._values):
                raise FlatBufferError(f"{prefix} {position} is value {index}, which is not there")
            name = prefix if len(indices) == 1 else f"{prefix}{position}"
            value = self._tensor(index)
            info = value.info if value else TensorInfo(name=name, dtype="not a tensor", shape=())
            infos.append(info.model_copy(update={"name": name}))
        return tuple(infos)

    def _tensor(self, index: int) -> _Value | None:
        """None for a value that is not a tensor."""
        if index not in self._read:
            value = self._values[index]
            tensor = value.table(1)
            is_tensor = value.number(0, "B") == _TENSOR and tensor is not None
            self._read[index] = _value(tensor, f"value {index}") if is_tensor and tensor else None
        return self._read[index]


def _value(tensor: Table, name: str) -> _Value:
    code, sizes, dynamism = tensor.number(0, "b"), tensor.numbers(2, "i"), tensor.number(8, "b")
    extra = tensor.table(9)
    info = TensorInfo(
        name=(extra.text(1) if extra else "") or name,
        dtype=_DTYPES.get(code, f"type {code}"),
        shape=tuple(_dimension(size, dynamism) for size in sizes),
    )
    # Planned memory means that it is computed; entry 0 of the constants stands for none.
    return _Value(info, constant=tensor.number(5, "I") != 0 and tensor.table(6) is None)


def _weight(info: TensorInfo, operator: str) -> Weight:
    shape = tuple(max(0, size) for size in info.shape if isinstance(size, int))
    digits = "".join(char for char in info.dtype if char.isdigit())
    bits = int(digits) if digits and not info.dtype.startswith("type") else _BITS.get(info.dtype, 0)
    return Weight(name=info.name, dtype=info.dtype, shape=shape, bytes=math.prod(shape) * bits // 8, operator=operator)


def _dimension(size: int, dynamism: int) -> int | str:
    """The file knows only per tensor whether its shape may vary, and up to where; a 1 cannot."""
    if dynamism == 0 or (dynamism == 1 and size == 1):
        return size
    return f"..{size}" if dynamism == 1 else "?"


def _delegate_data(file: _File, plan: Table) -> list[tuple[str, bytes]]:
    """The backend and the bytes of each delegate."""
    inline = list(file.program.tables(3))
    found = []
    for index, delegate in enumerate(plan.tables(7)):
        backend, reference = delegate.text(0), delegate.table(1)
        location = reference.number(0, "b") if reference else _INLINE
        place = reference.number(1, "I") if reference else 0
        if location == _SEGMENT and place < len(file.segments):
            start, size = file.segments[place]
            found.append((backend, file.data[start : start + size]))
        elif location == _INLINE and place < len(inline):
            found.append((backend, inline[place].blob(0)))
        else:
            raise FlatBufferError(f"the data of delegate {index} is not there")
    return found


def _constant_bytes(file: _File) -> int:
    """Segments, plus what older files hold inline."""
    inline = 0
    for slot in (2, 3):
        for entry in file.program.tables(slot):
            start, end = entry.span(0)
            inline += end - start
    return inline + sum(size for _, size in file.segments)
