"""A .pte is read to the bottom; a damaged one is refused in words and never ends the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.bundle.contents import OperatorCount, TensorInfo
from mobilekit.bundle.pte import PteSummary, read_pte
from mobilekit.errors import BundleError

PTE = (Path(__file__).parents[1] / "golden" / "artifacts" / "tiny.pte").read_bytes()


def test_a_program_is_read(pte: Path) -> None:
    summary = read_pte(pte)
    assert summary.bytes == len(PTE)
    assert summary.methods == ("forward",)
    assert summary.inputs == (TensorInfo(name="input", dtype="float32", shape=("..8", 1, "..8", "..8")),)
    assert summary.outputs == (TensorInfo(name="output", dtype="float32", shape=("..8", "..10")),)
    assert summary.backends == ("XnnpackBackend",)
    assert [delegate.node_count for delegate in summary.delegates] == [3, 1]
    assert OperatorCount(name="DepthwiseConv2d", count=1) in summary.delegates[0].nodes
    assert summary.delegates[1].nodes == (OperatorCount(name="FullyConnected", count=1),)
    assert summary.operators == (
        OperatorCount(name="aten::cumsum.out", count=1),
        OperatorCount(name="aten::mean.out", count=1),
    )
    assert (summary.delegated_nodes, summary.portable_nodes) == (4, 2)
    assert summary.planned_memory_bytes > 0
    # 90 float32 weights; the delegates' graphs around them; padding.
    assert 360 < summary.constant_bytes < len(PTE)


def test_reading_imports_no_runtime(pte: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mobilekit.bundle.pte import read_pte; "
        "read_pte(Path(sys.argv[1])); print(sorted({'torch', 'executorch', 'numpy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(pte)]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "[]\n"


@pytest.mark.parametrize("size", [0, 1, 7, 8, 11, 30, 63, 200, 1000, 2500, len(PTE) // 2, len(PTE) - 400])
def test_a_truncated_program_is_refused_and_named(tmp_path: Path, size: int) -> None:
    path = tmp_path / "cut.pte"
    path.write_bytes(PTE[:size])
    with pytest.raises(BundleError, match=r"cut.pte: not a whole ExecuTorch program: ") as caught:
        read_pte(path)
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"PK\x03\x04" + bytes(100), b"\x00" * 100, b"\xff" * 100, b"text" * 30])
def test_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.pte"
    path.write_bytes(content)
    with pytest.raises(BundleError, match="the identifier ET12 is missing"):
        read_pte(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read: No such file"):
        read_pte(tmp_path / "none.pte")
    with pytest.raises(BundleError, match="cannot be read: Is a directory"):
        read_pte(tmp_path)


@settings(max_examples=400)
@given(st.data())
def test_any_damage_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(PTE)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    path = tmp_path_factory.getbasetemp() / "damaged.pte"
    path.write_bytes(content)
    try:
        summary = read_pte(path)
    except BundleError as error:
        assert str(path) in str(error)
    else:
        assert PteSummary.model_validate_json(summary.model_dump_json()) == summary
