"""The wire reader agrees with the protobuf library, and any bytes are read or refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from mobilekit.inspection import protobuf
from mobilekit.inspection.protobuf import ProtobufError

INT64 = st.integers(-(2**63), 2**63 - 1)
# TensorProto: dims = 1 (repeated int64), data_type = 2 (int32), float_data = 4 (packed), name = 8 (string)


@given(st.lists(INT64), st.integers(0, 2**31 - 1), st.lists(st.floats(width=32)), st.text(st.characters(codec="utf-8")))
def test_what_the_library_writes_is_read_back(dims: list[int], kind: int, values: list[float], name: str) -> None:
    written = TensorProto(dims=dims, data_type=kind, float_data=values, name=name)
    message = memoryview(written.SerializeToString())
    assert protobuf.integers(message, 1) == tuple(dims)
    assert protobuf.integer(message, 2) == kind
    assert len(protobuf.message(message, 4)) == 4 * len(values)
    assert protobuf.text(message, 8) == name


def test_packed_and_unpacked_integers_read_alike() -> None:
    assert protobuf.integers(memoryview(b"\x08\x01\x08\x02"), 1) == (1, 2)
    assert protobuf.integers(memoryview(b"\x0a\x02\x01\x02"), 1) == (1, 2)


def test_fixed_width_fields_are_integers() -> None:
    message = memoryview(b"\x0d\x01\x00\x00\x00\x11\x02\x00\x00\x00\x00\x00\x00\x00")
    assert list(protobuf.fields(message)) == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    "data", [b"\x08", b"\x08\x80", b"\x0a\x05abc", b"\x0d\x01", b"\x0b", b"\x00\x01", b"\x08" + b"\xff" * 11]
)
def test_what_is_cut_off_or_unknown_is_refused(data: bytes) -> None:
    with pytest.raises(ProtobufError):
        list(protobuf.fields(memoryview(data)))


@settings(max_examples=300)
@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = list(protobuf.fields(memoryview(data)))
        protobuf.integers(memoryview(data), 1)
    except ProtobufError as error:
        assert str(error)
    else:
        assert sum(len(value) for _, value in found if isinstance(value, memoryview)) <= len(data)
