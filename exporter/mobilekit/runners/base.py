"""What a runner is: one runtime that loads an artifact and runs it on arrays. Holds no runtime itself.

A runner's `prepare` and `load` are called in a process of the runner's own (see process.py), never in the
caller's: a damaged artifact may end that process, and two runtimes in one process disturb each other's timing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mobilekit.errors import RunnerError
from mobilekit.progress import Progress

Array = NDArray[Any]


class Session(Protocol):
    """One loaded artifact."""

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Outputs in the artifact's order. Raises RunnerError when the inputs do not fit it."""

    def bind(self, inputs: Sequence[Array]) -> Callable[[], object]:
        """A call that runs inference once on `inputs`, which are already in the runtime's own form: for timing."""


class Runner(Protocol):
    """One runtime. A plug-in offers one under the entry point group `mobilekit.runners`."""

    name: str
    runtime: str
    suffixes: tuple[str, ...]

    def unavailable(self) -> str | None:
        """Why this runtime cannot execute on this machine; None when it can. Must not import the runtime."""

    def prepare(self, threads: int) -> None:
        """Import the runtime and set its threads: what an app has done before it loads a model."""

    def load(self, path: Path, threads: int) -> Session:
        """Load an artifact until only the first inference is missing. May raise anything the runtime raises."""


@dataclass(frozen=True)
class Launch:
    """How a runner's own program is started; the descriptors of child.py are appended to the command."""

    command: tuple[str, ...]
    variables: Mapping[str, str]


@runtime_checkable
class OwnProgram(Protocol):
    """A runner that is no Python: a program that speaks protocol.py by itself. It has `prepare` and `load` in there."""

    name: str
    runtime: str
    suffixes: tuple[str, ...]
    emulated: bool
    """Whether an emulator runs it: outputs are the processor's own, times and memory are not."""
    patience: float
    """How many times longer than usual it may take before it counts as hung."""

    def unavailable(self) -> str | None:
        """As a Runner's."""

    def build(self, progress: Progress) -> None:
        """Compile and fetch what is not in the cache yet. Raises SetupError."""

    def launch(self, threads: int) -> Launch:
        """The command line; builds silently what `build` has not built."""


@runtime_checkable
class Varied(Protocol):
    """A runner that exists in variants: `arm64:cortex-a53`."""

    def variant(self, text: str) -> Self:
        """The one that is meant. Raises UnknownName with the choices."""


AnyRunner = Runner | OwnProgram


@dataclass(frozen=True)
class Expected:
    """An input as a loaded artifact describes it. A dimension is (lowest, highest); None: the artifact has no limit."""

    name: str
    dtype: str
    shape: tuple[tuple[int, int | None], ...]

    def describe(self) -> str:
        """`x float32 [1..8, 1, 28, 28]`"""
        return f"{self.name} {self.dtype} [{', '.join(_dimension(*one) for one in self.shape)}]"

    def fits(self, array: Array) -> bool:
        """Whether dtype, rank and every dimension are allowed."""
        return (
            array.dtype == np.dtype(self.dtype)
            and array.ndim == len(self.shape)
            and all(
                low <= size and (high is None or size <= high)
                for size, (low, high) in zip(array.shape, self.shape, strict=True)
            )
        )


def _dimension(low: int, high: int | None) -> str:
    if high is None:
        return f"{low}.." if low else "any"
    if low == 0:
        return f"..{high}"
    return str(low) if low == high else f"{low}..{high}"


def check_inputs(expected: Sequence[Expected], inputs: Sequence[Array]) -> None:
    """Raise RunnerError that names what the artifact takes and what it was given.

    Runtimes are uneven here: ExecuTorch answers a missing input with the previous call's output and a wrong shape
    with a number, ONNX Runtime does not hold a dynamic dimension against its bounds.
    """
    if len(expected) != len(inputs):
        takes = ", ".join(one.describe() for one in expected) or "nothing"
        raise RunnerError(f"it takes {len(expected)} input(s) ({takes}), given {len(inputs)}")
    for one, array in zip(expected, inputs, strict=True):
        if not one.fits(array):
            raise RunnerError(f"expected {one.describe()}, given {array.dtype} {list(array.shape)}")
