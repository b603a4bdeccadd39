"""ONNX: runs an `.onnx` model in ONNX Runtime on the CPU. Never imports torch.

Idle pool threads spin for some 40 ms before they sleep, ONNX Runtime's default, which apps get too: with it off, a
stack of four convolutions at 224x224 took 1.47 ms instead of 1.14 (median, 2 threads, 2 cores). It stays on, since
every runtime is alone in its process.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilekit.errors import RunnerError
from mobilekit.runners.base import Array, Expected, check_inputs

_DTYPES = {"float": "float32", "double": "float64"}
_ERRORS_ONLY = 3


class OnnxRunner:
    """ONNX Runtime with its CPU provider."""

    name = "onnx"
    runtime = "onnxruntime"
    suffixes: tuple[str, ...] = (".onnx",)

    def unavailable(self) -> str | None:
        missing = importlib.util.find_spec("onnxruntime") is None
        return "the onnxruntime package is not installed (pip install onnxruntime)" if missing else None

    def prepare(self, threads: int) -> None:
        """Since 1.29 ONNX Runtime sends model names, hashes and timings home, on Linux too. Not from here."""
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        onnxruntime.set_default_logger_severity(_ERRORS_ONLY)

    def load(self, path: Path, threads: int) -> OnnxSession:
        return OnnxSession(path, threads)


class OnnxSession:
    """One InferenceSession; inputs go in by position."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        options = session_options(threads)
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._expected = tuple(expected(one) for one in self._session.get_inputs())

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        return [np.asarray(output) for output in self.bind(inputs)()]

    def bind(self, inputs: Sequence[Array]) -> Callable[[], list[Array]]:
        check_inputs(self._expected, inputs)
        session = self._session
        feed = {
            one.name: np.ascontiguousarray(array).reshape(array.shape)
            for one, array in zip(self._expected, inputs, strict=True)
        }
        return lambda: list(session.run(None, feed))


def session_options(threads: int) -> Any:
    """How every session here is opened."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    return options


def expected(node: Any) -> Expected:
    """An input's name, dtype and shape; a dynamic dimension is a symbol without bounds in ONNX."""
    element = str(node.type).removeprefix("tensor(").removesuffix(")")
    try:
        dtype = str(np.dtype(_DTYPES.get(element, element)))
    except TypeError as error:
        raise RunnerError(f"input {node.name} is {node.type}, which arrays cannot hold") from error
    shape = tuple((size, size) if isinstance(size, int) else (0, None) for size in node.shape)
    return Expected(node.name, dtype, shape)
