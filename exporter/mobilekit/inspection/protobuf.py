"""Protobuf: a bounds-checked reader of the wire format, enough to list what a message holds. No schema, no classes.

The format: https://protobuf.dev/programming-guides/encoding. Used for Core ML specifications, so that looking into
one needs neither coremltools (seconds to import, not there on every machine) nor macOS.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class ProtobufError(ValueError):
    """The bytes are not a protobuf message."""


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value) in file order; a value is an integer, or the bytes of a string or inner message."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise ProtobufError("field number 0")
        if wire == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire == _BYTES:
            size, position = _varint(message, position)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ProtobufError(f"wire type {wire}")
        if position + size > len(message):
            raise ProtobufError(f"a field of {size} bytes at {position} is cut off")
        value_bytes = message[position : position + size]
        position += size
        yield number, value_bytes if wire == _BYTES else int.from_bytes(value_bytes, "little")


def messages(message: memoryview, number: int) -> Iterator[memoryview]:
    """The inner messages (or strings) in field `number`."""
    for found, value in fields(message):
        if found == number and isinstance(value, memoryview):
            yield value


def message(outer: memoryview, number: int) -> memoryview:
    """The last inner message in field `number`, as protobuf has it; empty when absent."""
    found = memoryview(b"")
    for inner in messages(outer, number):
        found = inner
    return found


def text(outer: memoryview, number: int) -> str:
    return bytes(message(outer, number)).decode("utf-8", errors="replace")


def integers(outer: memoryview, number: int) -> tuple[int, ...]:
    """A repeated integer field, packed or not; two's complement of 64 bits."""
    values: list[int] = []
    for found, value in fields(outer):
        if found != number:
            continue
        if isinstance(value, int):
            values.append(value)
            continue
        position = 0
        while position < len(value):
            item, position = _varint(value, position)
            values.append(item)
    return tuple(value - (1 << 64) if value >= 1 << 63 else value for value in values)


def integer(outer: memoryview, number: int) -> int:
    """The last value of an integer field; 0 when absent."""
    return (integers(outer, number) or (0,))[-1]


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message) and shift < 70:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, position
        shift += 7
    raise ProtobufError("a number is cut off")
