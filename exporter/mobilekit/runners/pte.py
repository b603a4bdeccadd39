"""PTE: runs a `.pte` program in ExecuTorch's own runtime, with XNNPACK, optimized and quantized kernels.

The runtime's extension module is imported directly, after torch, whose libraries it needs. `executorch.runtime`, the
documented door, imports all of the exporter first (11 s against 0.01 s, measured). Kernels for quantized operators
that no delegate took are in a library of their own: loading it registers them.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mobilekit.errors import RunnerError
from mobilekit.runners.base import Array, Expected, check_inputs
from mobilekit.runners.eager import to_numpy, to_torch

_EXTENSION = "executorch.extension.pybindings._C"
# ScalarType numbers of ExecuTorch (runtime/core/portable_type/scalar_type.h), the same as torch's.
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


class PteRunner:
    """ExecuTorch, as its Python wheel has it."""

    name = "pte"
    runtime = "executorch"
    suffixes: tuple[str, ...] = (".pte",)

    def unavailable(self) -> str | None:
        # The parents of a dotted name are imported by find_spec; these two are empty packages.
        try:
            found = importlib.util.find_spec(_EXTENSION)
        except ModuleNotFoundError:
            found = None
        return None if found else "the executorch package is not installed (pip install executorch)"

    def prepare(self, threads: int) -> None:
        import torch  # noqa: F401  (the extension module resolves its symbols against torch's libraries)
        from executorch.extension.pybindings import _C

        _load_quantized_kernels()
        _C._unsafe_reset_threadpool(threads)

    def load(self, path: Path, threads: int) -> PteSession:
        return PteSession(path)


class PteSession:
    """One loaded method, `forward`."""

    def __init__(self, path: Path) -> None:
        from executorch.extension.pybindings import _C

        # Minimal verification accepts files whose tables point outside of them.
        checked = _C.Verification.InternalConsistency
        self._program = _C._load_program(str(path), program_verification=checked)
        # Without this step delegates are set up by the first inference, and the load time would miss most of it.
        self._method = self._program.load_method("forward")
        meta = self._program.method_meta("forward")
        self._expected = tuple(_expected(meta, index) for index in range(meta.num_inputs()))

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        return [to_numpy(output) for output in self._bind(inputs, clone_outputs=False)()]

    def bind(self, inputs: Sequence[Array]) -> Callable[[], object]:
        return self._bind(inputs, clone_outputs=False)

    def _bind(self, inputs: Sequence[Array], *, clone_outputs: bool) -> Callable[[], list[Any]]:
        check_inputs(self._expected, inputs)
        tensors, method = [to_torch(one) for one in inputs], self._method
        return lambda: list(method.call(tensors, clone_outputs))


def _expected(meta: Any, index: int) -> Expected:
    """An input's dtype and the largest shape that memory was planned for; a .pte does not say the smallest."""
    try:
        info = meta.input_tensor_meta(index)
    except RuntimeError as error:
        raise RunnerError(f"input {index} is not a tensor: {error}") from error
    dtype = _DTYPES.get(info.dtype())
    if dtype is None:
        raise RunnerError(f"input {index} has a dtype that arrays lack (ScalarType {info.dtype()})")
    return Expected(f"input{index}", dtype, tuple((0, int(size)) for size in info.sizes()))


def _load_quantized_kernels() -> None:
    import executorch

    folder = Path(next(iter(executorch.__path__))) / "lib"
    for library in sorted(folder.glob("libexecutorch_kernels_quantized.*")):
        ctypes.CDLL(str(library))
