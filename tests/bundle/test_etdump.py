"""A profile that ExecuTorch wrote is read: three runs of the golden .pte, each with its delegates and kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.bundle.etdump import read_etdump
from mobilekit.bundle.flatbuffer import FlatBufferError

DUMP = (Path(__file__).parents[1] / "golden" / "artifacts" / "tiny.etdp").read_bytes()


def test_runs_and_what_they_are_made_of() -> None:
    runs = read_etdump(DUMP)
    assert len(runs) == 3, "loading is not a run"
    for run in runs:
        assert [(span.kind, span.instruction) for span in run if span.kind != "inside"] == [
            ("delegate", 0), ("kernel", 1), ("kernel", 2), ("delegate", 3), ("method", 0),
        ]  # fmt: skip
        whole = next(span for span in run if span.kind == "method")
        parts = [span for span in run if span.kind in ("kernel", "delegate")]
        assert 0 < sum(span.nanoseconds for span in parts) <= whole.nanoseconds
        assert all(whole.start <= span.start <= span.end <= whole.end for span in parts)


def test_operators_inside_delegates_are_named() -> None:
    names = [(span.instruction, span.name) for span in read_etdump(DUMP)[0] if span.kind == "inside"]
    assert (0, "Convolution (NHWC, F32) IGEMM #1") in names
    assert (3, "Fully Connected (NC, F32) GEMM #1") in names


def test_it_is_read_without_its_size_in_front_too() -> None:
    assert read_etdump(DUMP[4:]) == read_etdump(DUMP)


@pytest.mark.parametrize("data", [b"", b"ED00", bytes(40), DUMP[:6], b"\xff" * 64])
def test_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(FlatBufferError):
        read_etdump(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        runs = read_etdump(b"\x10\x00\x00\x00ED00" + data)
    except FlatBufferError as error:
        assert str(error)
    else:
        assert isinstance(runs, tuple)
