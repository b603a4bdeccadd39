"""Eager: runs a `.pt2` program in torch, operator by operator. The reference that every artifact is held against.

`ExportedProgram.module()` comes with input guards and a pytree call convention, which on small models cost several
times the model itself (170 to 320 us against 73 us for the same nn.Module, one convolution and one linear layer).
A ratio to that would flatter every artifact. They are taken off here, which leaves 78 us: inputs are checked by
`run` and outputs are flat, in the program's order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilekit.runners.base import Array, Expected, check_inputs

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram


class EagerRunner:
    """torch on the CPU."""

    name = "eager"
    runtime = "torch"
    suffixes: tuple[str, ...] = (".pt2",)

    def unavailable(self) -> str | None:
        return None

    def prepare(self, threads: int) -> None:
        """Also imports what torch.export.load would import: modules are no part of an artifact's load time."""
        import torch
        import torch.ao.quantization.fx._decomposed  # the operators of quantized programs
        import torch.export.pt2_archive._package

        import mobilekit.model.program
        import mobilekit.model.pt2  # noqa: F401

        torch.set_num_interop_threads(1)
        torch.set_num_threads(threads)

    def load(self, path: Path, threads: int) -> EagerSession:
        from mobilekit.model.pt2 import load_pt2

        return EagerSession(load_pt2(path))


class EagerSession:
    """A program as a plain torch module."""

    def __init__(self, program: ExportedProgram) -> None:
        from mobilekit.model.program import input_specs

        self._expected = tuple(
            Expected(
                spec.name,
                spec.dtype,
                tuple(
                    (dim, dim) if isinstance(dim, int) else (spec.dynamic[dim].min, spec.dynamic[dim].max)
                    for dim in spec.shape
                ),
            )
            for spec in input_specs(program)
        )
        self._module = plain_module(program)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        return [to_numpy(output) for output in self.bind(inputs)()]

    def bind(self, inputs: Sequence[Array]) -> Callable[[], tuple[torch.Tensor, ...]]:
        import torch

        check_inputs(self._expected, inputs)
        tensors, module = [to_torch(one) for one in inputs], self._module

        def call() -> tuple[torch.Tensor, ...]:
            with torch.inference_mode():
                return tuple(module(*tensors))

        return call


def plain_module(program: ExportedProgram) -> Any:
    """The program as a GraphModule from flat tensors to a flat tuple, without guards and hooks."""
    from torch.fx.graph import CodeGen

    module = program.module(check_guards=False)
    module._forward_pre_hooks.clear()
    module._forward_hooks.clear()
    module.graph.set_codegen(CodeGen())
    module.recompile()
    return module


def to_torch(array: Array) -> torch.Tensor:
    """The array as a torch tensor; it shares memory where the array is contiguous and writable."""
    import torch

    contiguous = np.ascontiguousarray(array).reshape(array.shape)
    return torch.from_numpy(contiguous if contiguous.flags.writeable else contiguous.copy())


def to_numpy(tensor: torch.Tensor) -> Array:
    """The tensor as an array of its own; bfloat16, which NumPy lacks, as float32."""
    import torch

    plain = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    return np.array(plain.numpy())
