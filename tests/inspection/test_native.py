"""The C++ runner's profile has the Python binding's calls; what cannot be measured is said in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.bundle.contents import TensorInfo
from mobilekit.errors import MissingDependency, RunnerError, UnknownName, UsageError
from mobilekit.inspection import inspect_artifact
from mobilekit.inspection.native import _random, tracing_runner
from mobilekit.inspection.profile import measured, profile_of
from mobilekit.runners.arm64 import on_arm


@pytest.mark.slow
def test_the_profile_has_the_calls_that_the_python_bindings_has(native: str, artifacts: Path) -> None:
    found = inspect_artifact(artifacts / "tiny.pte")
    in_cpp = measured(found, threads=1, runner=tracing_runner(native)).profile
    in_python = profile_of(found, threads=1)
    assert in_cpp is not None
    assert [step.call for step in in_cpp.steps] == [step.call for step in in_python.steps] == [0, 1, 2, 3]
    assert {(one.call, one.name) for one in in_cpp.inside} == {(one.call, one.name) for one in in_python.inside}
    assert 1 <= in_cpp.n <= 200 and in_cpp.warmup == 5
    assert 0 < sum(step.microseconds for step in in_cpp.steps) < 1.5 * in_cpp.microseconds
    assert in_cpp.sizes == in_python.sizes
    with pytest.raises(UsageError, match=r"tiny\.onnx: the runner native runs a \.pte, and this is none"):
        profile_of(inspect_artifact(artifacts / "tiny.onnx"), runner=tracing_runner(native))


@pytest.mark.slow
def test_a_file_that_the_runtime_refuses_is_told(native: str, artifacts: Path, tmp_path: Path) -> None:
    """Read as it is, and changed before it is run."""
    path = tmp_path / "model.pte"
    path.write_bytes((artifacts / "tiny.pte").read_bytes())
    found = inspect_artifact(path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(RunnerError, match=r"^model\.pte: executorch refused to load it"):
        profile_of(found, runner=tracing_runner(native))


def test_runners_that_do_not_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracing_runner("pte") is None, "Python's binding, as ever"
    with pytest.raises(UsageError, match="the runner onnx does not measure operator by operator"):
        tracing_runner("onnx")
    with pytest.raises(UnknownName, match="did you mean 'native'"):
        tracing_runner("nativ")
    if not on_arm():
        with pytest.raises(UsageError, match="emulator's seconds say nothing") as caught:
            tracing_runner("arm64")
        assert "--instructions" in (caught.value.hint or "")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingDependency, match="native cannot run here: it needs CMake"):
        tracing_runner("native")


DTYPES = st.sampled_from(["float16", "float32", "float64", "bool", "uint8", "int8", "int16", "int32", "int64"])
SIZES = st.lists(st.integers(0, 5), max_size=5)


@given(DTYPES, SIZES, st.booleans())
def test_inputs_are_of_the_largest_shape(dtype: str, sizes: list[int], bounded: bool) -> None:
    shape = tuple(f"..{size}" if bounded else size for size in sizes)
    made = _random(TensorInfo(name="x", dtype=dtype, shape=shape), 0)
    assert (made.dtype, made.shape) == (np.dtype(dtype), tuple(sizes))
    if np.dtype(dtype).kind != "f":
        assert set(np.unique(made)) <= {0, 1}


@pytest.mark.parametrize(
    ("dtype", "shape", "says"),
    [
        ("float32", ("?", 3), r"input 1 is \[\?, 3\]: no input of that size"),
        ("float32", (-1, 3), r"input 1 is \[-1, 3\]"),
        ("int8", (1 << 31, 1 << 31), "no input of that size"),
        ("bfloat16", (1,), r"a dtype that cannot be made here \(bfloat16\)"),
        ("not a tensor", (), r"\(not a tensor\)"),
    ],
)
def test_what_no_input_can_be_made_for(dtype: str, shape: tuple[int | str, ...], says: str) -> None:
    with pytest.raises(RunnerError, match=says):
        _random(TensorInfo(name="x", dtype=dtype, shape=shape), 1)
