"""Tracing a module with torch.export, and checking that the program does what the module did.

Refuses a model that is not a function of its input tensors alone: one that changes them, returns something else than
tensors, or depends on random numbers or a counter.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.capture.causes import refused_by_export, refused_by_model
from mobilekit.capture.example import check_fit, example_inputs
from mobilekit.errors import CaptureError
from mobilekit.model.program import dimension_names, input_specs, output_specs
from mobilekit.model.pt2 import load_pt2
from mobilekit.model.seed import seeded
from mobilekit.model.weights import check_finite
from mobilekit.quiet import quiet
from mobilekit.spec import TensorSpec

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.export import ExportedProgram


@dataclass(frozen=True)
class Captured:
    """A float program and its signature. `inputs` and `outputs` are flat and in the program's order."""

    program: ExportedProgram
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    parameters: int


def capture(
    module: nn.Module, inputs: Sequence[TensorSpec], *, example: Sequence[torch.Tensor] | None = None
) -> Captured:
    """Export `module` in eval mode for `inputs`, each dynamic dimension within its bounds.

    `example` is one set of input tensors (made from the specs when not given). The captured program is run on it
    and must give the module's own outputs. The module's training flags and the random state are left as they were.
    Raises WeightsError for weights that are not finite, CaptureError when the module does not accept the inputs or
    torch.export refuses it, with the user's line and a cure.

    Source: torch.export, https://docs.pytorch.org/docs/stable/export.html
    """
    import torch

    _check_device(module)
    check_finite(dict(module.state_dict()), what=f"the model ({type(module).__name__})")
    example = tuple(example) if example is not None else example_inputs(inputs)
    check_fit(inputs, example)
    with _in_eval_mode(module), seeded(0):
        expected = _run(module, example, inputs)
        _check_tensors(expected)
        try:
            with quiet(), torch.no_grad():
                program = export_graph(module, inputs, example)
        except (Exception, SystemExit) as error:
            raise refused_by_export(error, module) from error
        names = _output_names(expected, {spec.name for spec in inputs})
        outputs = output_specs(program, names, dimension_names(program, inputs))
        _check_same(program, example, expected)
    return Captured(program, tuple(inputs), outputs, sum(p.numel() for p in module.parameters()))


def captured_program(path: Path) -> Captured:
    """A saved program (`.pt2`) as if it had just been captured. Raises ModelError, WeightsError, CaptureError."""
    program = load_pt2(path)
    check_finite(program.state_dict, what=str(path))
    inputs = input_specs(program)
    taken = {spec.name for spec in inputs}
    count = len(program.graph_signature.user_outputs)
    outputs = output_specs(program, _free_names(_numbered(count), taken), dimension_names(program, inputs))
    return Captured(program, inputs, outputs, sum(tensor.numel() for tensor in program.parameters()))


def export_graph(module: nn.Module, inputs: Sequence[TensorSpec], example: tuple[torch.Tensor, ...]) -> ExportedProgram:
    """torch.export of `module` with the dynamic dimensions of `inputs`; raises whatever torch.export raises."""
    import torch

    return torch.export.export(module, example, dynamic_shapes=_dynamic_shapes(module, inputs))


@contextlib.contextmanager
def _in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Each submodule keeps its own flag: a frozen batch norm in a training model stays frozen."""
    flags = [(one, one.training) for one in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for one, flag in flags:
            one.training = flag


def _check_device(module: nn.Module) -> None:
    elsewhere = {str(tensor.device) for tensor in module.state_dict().values() if tensor.device.type != "cpu"}
    if elsewhere:
        raise CaptureError(f"the model is on {', '.join(sorted(elsewhere))}", hint="move it first: module.to('cpu')")


def _run(module: nn.Module, example: tuple[torch.Tensor, ...], inputs: Sequence[TensorSpec]) -> Any:
    import torch

    given = [tensor.clone() for tensor in example]
    try:
        with quiet(), torch.no_grad():
            outputs = module(*given)
    except (Exception, SystemExit) as error:
        raise refused_by_model(error, module, inputs, example) from error
    changed = [spec.name for spec, now, was in zip(inputs, given, example, strict=True) if not _equal(now, was)]
    if changed:
        raise CaptureError(
            f"forward() changes its input {changed[0]!r} in place",
            hint="make a new tensor (x = x + 1 for x += 1, ReLU() for ReLU(inplace=True)), or clone the input first",
        )
    return outputs


def _equal(now: torch.Tensor, was: torch.Tensor) -> bool:
    import torch

    return now.shape == was.shape and bool(torch.isclose(now, was, rtol=0, atol=0, equal_nan=True).all())


def _check_tensors(outputs: Any) -> None:
    import torch
    from torch.utils import _pytree as pytree

    leaves = pytree.tree_leaves(outputs)
    others = [(index, leaf) for index, leaf in enumerate(leaves) if not isinstance(leaf, torch.Tensor)]
    if others or not leaves:
        index, leaf = others[0] if others else (0, None)
        raise CaptureError(
            f"output {index} of the model is {type(leaf).__name__}, not a tensor",
            hint="return a tensor, or a tuple, list or dict of tensors",
        )


def _dynamic_shapes(module: nn.Module, inputs: Sequence[TensorSpec]) -> Any:
    """One entry per input; dimensions of the same name in several inputs are one and the same Dim."""
    from torch.export import Dim

    dims = {name: Dim(name, min=dim.min, max=dim.max) for spec in inputs for name, dim in spec.dynamic.items()}
    if not dims:
        return None
    shapes = tuple({axis: dims[dim] for axis, dim in enumerate(spec.shape) if isinstance(dim, str)} for spec in inputs)
    kinds = [parameter.kind for parameter in inspect.signature(module.forward).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:  # what goes to *args stands in a tuple of its own
        named = kinds.index(inspect.Parameter.VAR_POSITIONAL)
        return (*shapes[:named], shapes[named:])
    return shapes


def _output_names(outputs: Any, taken: set[str]) -> tuple[str, ...]:
    """A flat dict of tensors names its outputs; anything else gets numbers. Never the name of an input."""
    import torch
    from torch.utils import _pytree as pytree

    if isinstance(outputs, dict) and all(isinstance(value, torch.Tensor) for value in outputs.values()):
        return _free_names([re.sub(r"\W", "_", str(key), flags=re.ASCII) for key in outputs], taken)
    return _free_names(_numbered(len(pytree.tree_leaves(outputs))), taken)


def _numbered(count: int) -> list[str]:
    return ["output"] if count == 1 else [f"output{index}" for index in range(count)]


def _free_names(wanted: Sequence[str], taken: set[str]) -> tuple[str, ...]:
    """Valid names, each once: artifacts have inputs and outputs in one name space."""
    names: list[str] = []
    for one in wanted:
        name = one if re.match(r"[A-Za-z_]", one) else f"output_{one}"
        while name in taken or name in names:
            name += "_out"
        names.append(name)
    return tuple(names)


def _check_same(program: ExportedProgram, example: tuple[torch.Tensor, ...], expected: Any) -> None:
    """The captured graph runs the same kernels, so its outputs must be the module's own."""
    import torch
    from torch.utils import _pytree as pytree

    with quiet(), torch.no_grad():
        got = program.module()(*(tensor.clone() for tensor in example))
    for mine, theirs in zip(pytree.tree_leaves(got), pytree.tree_leaves(expected), strict=True):
        same = mine.shape == theirs.shape
        if not same or not torch.allclose(mine.float(), theirs.float(), rtol=1e-4, atol=1e-5, equal_nan=True):
            by = f"they differ by up to {(mine.float() - theirs.float()).abs().max():.3g}" if same else "in shape"
            raise CaptureError(
                f"the captured program does not give the module's own outputs: {by}",
                hint="forward() may depend on something besides its inputs (random numbers, a counter, a global)",
            )
