"""Names and suffixes lead to a runner, or to the choices."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from mobilekit.errors import UnknownName
from mobilekit.runners import RUNNERS, runner, runner_for


def test_built_in_names() -> None:
    assert {"eager", "pte", "onnx", "coreml"} <= set(RUNNERS)
    assert all(one.name == name for name, one in RUNNERS.items())


@pytest.mark.parametrize(
    ("file", "name"),
    [("a/m.xnnpack.int8.pte", "pte"), ("m.onnx", "onnx"), ("m.pt2", "eager"), ("m.fp16.mlpackage", "coreml")],
)
def test_by_artifact(file: str, name: str) -> None:
    assert runner_for(Path(file)).name == name


def test_unknown() -> None:
    with pytest.raises(UnknownName, match="did you mean 'onnx'"):
        runner("onx")
    with pytest.raises(UnknownName, match=r"'\.tflite'.*\.pte"):
        runner_for(Path("m.tflite"))


@pytest.mark.skipif(platform.system() == "Darwin", reason="Core ML runs here")
def test_core_ml_says_why_it_does_not_run_here() -> None:
    assert runner("coreml").unavailable() == "Core ML runs on macOS only"


def test_asking_what_is_available_imports_no_runtime() -> None:
    code = (
        "import sys; from mobilekit.runners import RUNNERS; [one.unavailable() for one in RUNNERS.values()];"
        "print(sorted({'torch', 'onnxruntime', 'coremltools', 'executorch.exir'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
