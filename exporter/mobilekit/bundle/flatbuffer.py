"""FlatBuffer: a bounds-checked reader of tables, for files that nobody vouches for. Never trusts an offset.

The format: https://flatbuffers.dev/internals. A table starts with a signed offset to its vtable, which holds, per
field slot, the field's offset inside the table (0: absent). Slots count the fields of the schema in order, and a
union takes two (type, value). Everything is little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass


class FlatBufferError(ValueError):
    """The bytes are not what the schema says; the message says where."""


class Buffer:
    """The bytes, every read checked against their end, and the number of reads bounded.

    A valid file is a tree (or shares a little), so reading all of it takes fewer steps than it has bytes; one
    that was tampered with can point many entries at one place, and is stopped by the budget.
    """

    def __init__(self, data: bytes | memoryview, start: int = 0, end: int | None = None) -> None:
        self.data = memoryview(data)[start:end]
        self._budget = 1000 + 4 * len(self.data)

    def scalar(self, code: str, position: int) -> int:
        """One integer of struct code `code` (without byte order) at `position`."""
        self._budget -= 1
        if self._budget < 0:
            raise FlatBufferError("entries overlap")
        if not 0 <= position <= len(self.data) - struct.calcsize(code):
            raise FlatBufferError(f"an offset points outside the data (to {position} of {len(self.data)})")
        value: int = struct.unpack_from("<" + code, self.data, position)[0]
        return value

    def root(self) -> Table:
        """The table that the first four bytes point to."""
        return Table(self, self.scalar("I", 0))

    def identifier(self) -> bytes:
        """The four bytes that name the schema."""
        return bytes(self.data[4:8])


@dataclass(frozen=True)
class Table:
    """One table; fields are read by their slot."""

    buffer: Buffer
    position: int

    def number(self, slot: int, code: str, default: int = 0) -> int:
        """The scalar in `slot`, or the schema's default."""
        at = self._field(slot)
        return self.buffer.scalar(code, at) if at else default

    def table(self, slot: int) -> Table | None:
        at = self._field(slot)
        return Table(self.buffer, self._target(at)) if at else None

    def text(self, slot: int) -> str:
        """The string in `slot`; empty when absent."""
        return self.blob(slot).decode("utf-8", errors="replace")

    def blob(self, slot: int) -> bytes:
        """The bytes of a string or a [ubyte]; empty when absent."""
        span = self.span(slot)
        return bytes(self.buffer.data[span[0] : span[1]])

    def span(self, slot: int) -> tuple[int, int]:
        """Where the bytes of a string or a [ubyte] begin and end in the buffer."""
        start, count = self._vector(slot, 1)
        return start, start + count

    def numbers(self, slot: int, code: str) -> tuple[int, ...]:
        """A vector of scalars; empty when absent."""
        width = struct.calcsize(code)
        start, count = self._vector(slot, width)
        return tuple(self.buffer.scalar(code, start + width * index) for index in range(count))

    def tables(self, slot: int) -> Iterator[Table]:
        """A vector of tables; empty when absent."""
        start, count = self._vector(slot, 4)
        for index in range(count):
            yield Table(self.buffer, self._target(start + 4 * index))

    def _field(self, slot: int) -> int:
        """Where the field lies in the buffer; 0 when it is absent."""
        vtable = self.position - self.buffer.scalar("i", self.position)
        entry = 4 + 2 * slot
        if entry + 2 > self.buffer.scalar("H", vtable):
            return 0
        offset = self.buffer.scalar("H", vtable + entry)
        return self.position + offset if offset else 0

    def _target(self, at: int) -> int:
        return at + self.buffer.scalar("I", at)

    def _vector(self, slot: int, width: int) -> tuple[int, int]:
        at = self._field(slot)
        if not at:
            return 0, 0
        start = self._target(at)
        count = self.buffer.scalar("I", start)
        if start + 4 + count * width > len(self.buffer.data):
            raise FlatBufferError(f"a list of {count} entries at {start} does not fit into the data")
        return start + 4, count
