"""The reader agrees with the flatbuffers library, and no offset leads it outside or round in circles."""

from __future__ import annotations

import flatbuffers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.bundle.flatbuffer import Buffer, FlatBufferError, Table

INT32 = st.integers(-(2**31), 2**31 - 1)


def built(number: int, text: str, numbers: list[int], children: list[int]) -> bytes:
    """A root table: slot 0 an int32, 1 a string, 2 [int32], 3 [table with an int32 in slot 0], 4 absent."""
    builder = flatbuffers.Builder(0)
    offsets = []
    for child in children:
        builder.StartObject(1)
        builder.PrependInt32Slot(0, child, 0)
        offsets.append(builder.EndObject())
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    tables = builder.EndVector()
    builder.StartVector(4, len(numbers), 4)
    for value in reversed(numbers):
        builder.PrependInt32(value)
    vector = builder.EndVector()
    string = builder.CreateString(text)
    builder.StartObject(5)
    builder.PrependInt32Slot(0, number, 0)
    builder.PrependUOffsetTRelativeSlot(1, string, 0)
    builder.PrependUOffsetTRelativeSlot(2, vector, 0)
    builder.PrependUOffsetTRelativeSlot(3, tables, 0)
    builder.Finish(builder.EndObject(), file_identifier=b"TEST")
    return bytes(builder.Output())


def read(table: Table) -> tuple[int, str, tuple[int, ...], list[int]]:
    children = [child.number(0, "i") for child in table.tables(3)]
    return table.number(0, "i"), table.text(1), table.numbers(2, "i"), children


@given(INT32, st.text(st.characters(codec="utf-8")), st.lists(INT32), st.lists(INT32))
def test_what_the_library_writes_is_read_back(number: int, text: str, numbers: list[int], children: list[int]) -> None:
    data = built(number, text, numbers, children)
    buffer = Buffer(data)
    assert buffer.identifier() == b"TEST"
    assert read(buffer.root()) == (number, text, tuple(numbers), children)
    assert read(Buffer(b"before" + data + b"after", 6, 6 + len(data)).root()) == read(buffer.root())


def test_an_absent_field_is_its_default() -> None:
    root = Buffer(built(1, "", [], [])).root()
    assert root.number(4, "i", 7) == 7
    assert root.number(99, "i", 7) == 7
    assert root.table(4) is None
    assert root.text(4) == ""
    assert root.numbers(4, "i") == ()
    assert list(root.tables(4)) == []


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read(Buffer(data).root())
    except FlatBufferError as error:
        assert str(error)


def test_entries_that_share_one_place_are_stopped() -> None:
    """A small file whose list claims far more than the file can hold would otherwise take for ever to read."""
    root = Buffer(built(0, "", list(range(1000)), [])).root()
    with pytest.raises(FlatBufferError, match="entries overlap"):
        for _ in range(1000):
            root.numbers(2, "i")
