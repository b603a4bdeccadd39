"""Capture: nn.Module -> ExportedProgram, with named inputs and bounded dynamic dimensions. Never quantizes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.errors import CaptureError
from mobilekit.model.program import input_specs, output_specs
from mobilekit.model.pt2 import load_pt2
from mobilekit.model.usercode import at_user_line, is_user_file
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


@dataclass(frozen=True)
class Cause:
    """A way in which torch.export refuses, recognized by its message, and what usually cures it."""

    pattern: str
    cure: str


CAUSES = (
    Cause(
        r"data-dependent|GuardOnDataDependent|Could not guard on|is_nonzero|Eq\(u\d+",
        "a branch depends on a tensor's value; use torch.where, or torch.cond for two real branches",
    ),
    Cause(
        r"[Cc]onstraints violated|specialized|marked .* as dynamic but",
        "the model fixes a dimension that was asked to be dynamic: look for int(x.shape[..]), a reshape with constants, "
        "or a layer that needs this size; or make the dimension static",
    ),
    Cause(
        r"\.item\(\)|_local_scalar_dense|\.tolist|numpy\(\)|Tensor to numpy",
        "the model leaves tensors for Python or NumPy (.item(), .tolist(), .numpy()); stay in torch operations",
    ),
    Cause(
        r"missing \d+ required positional|takes \d+ positional|unexpected keyword",
        "the number of inputs differs from what forward() takes; give one --input per argument, in order",
    ),
    Cause(
        r"unsupported|Unsupported|not supported|NotImplementedError|FakeTensor|fake impl|[Mm]eta kernel",
        "an operator has no traced form; replace it, or register one with torch.library.register_fake",
    ),
)


def capture(
    module: nn.Module, inputs: Sequence[TensorSpec], *, example: Sequence[torch.Tensor] | None = None
) -> Captured:
    """Export `module` for `inputs`, each dynamic dimension within its bounds.

    `example` is one set of input tensors (made from the specs when not given). The captured program is run on it
    and must give the module's own outputs. Raises WeightsError for weights that are not finite, CaptureError
    when the module does not accept the inputs or torch.export refuses it, with the user's line and a cure.

    Source: torch.export, https://docs.pytorch.org/docs/stable/export.html
    """
    import torch

    module.eval()
    check_finite(dict(module.state_dict()), what=f"the model ({type(module).__name__})")
    example = tuple(example) if example is not None else example_inputs(inputs)
    _check_fit(inputs, example)
    expected = _run(module, example, inputs)
    names = _output_names(expected)
    try:
        with quiet(), torch.no_grad():
            program = export_graph(module, inputs, example)
    except Exception as error:
        raise _refused(error, module) from error
    _check_same(program, example, expected)
    outputs = _in_terms_of(output_specs(program, names), _symbols(program, inputs))
    return Captured(program, tuple(inputs), outputs, sum(p.numel() for p in module.parameters()))


def captured_program(path: Path) -> Captured:
    """A saved program (`.pt2`) as if it had just been captured. Raises ModelError, WeightsError, CaptureError."""
    program = load_pt2(path)
    check_finite(program.state_dict, what=str(path))
    parameters = sum(tensor.numel() for tensor in program.parameters())
    return Captured(program, input_specs(program), output_specs(program), parameters)


def export_graph(module: nn.Module, inputs: Sequence[TensorSpec], example: tuple[torch.Tensor, ...]) -> ExportedProgram:
    """torch.export of `module` with the dynamic dimensions of `inputs`; raises whatever torch.export raises."""
    import torch

    return torch.export.export(module, example, dynamic_shapes=_dynamic_shapes(module, inputs))


def example_inputs(inputs: Sequence[TensorSpec], *, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Normal random tensors for float inputs, zeros and ones for the rest, each dynamic dimension at 2 or more."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    tensors = []
    for spec in inputs:
        # torch.export treats sizes 0 and 1 as constants
        shape = spec.sized({name: min(max(2, dim.min), dim.max) for name, dim in spec.dynamic.items()})
        dtype = getattr(torch, spec.dtype)
        if dtype.is_floating_point:
            tensors.append(torch.randn(shape, generator=generator).to(dtype))
        else:
            tensors.append(torch.randint(0, 2, shape, generator=generator).to(dtype))
    return tuple(tensors)


def _check_fit(inputs: Sequence[TensorSpec], example: Sequence[torch.Tensor]) -> None:
    if len(inputs) != len(example):
        raise CaptureError(f"{len(inputs)} inputs are declared, and {len(example)} example tensors were given")
    for spec, tensor in zip(inputs, example, strict=True):
        problem = spec.mismatch(tensor.shape)
        if problem is None and str(tensor.dtype) != f"torch.{spec.dtype}":
            problem = f"{spec.name} must be {spec.dtype}, given {str(tensor.dtype).removeprefix('torch.')}"
        if problem is not None:
            raise CaptureError(f"the example does not fit the declared inputs: {problem}")


def _run(module: nn.Module, example: tuple[torch.Tensor, ...], inputs: Sequence[TensorSpec]) -> Any:
    import torch

    try:
        with quiet(), torch.no_grad():
            return module(*(tensor.clone() for tensor in example))
    except Exception as error:
        given = ", ".join(f"{spec.name} {spec.dtype} {list(x.shape)}" for spec, x in zip(inputs, example, strict=True))
        raise CaptureError(
            f"the model does not accept its inputs ({given}): {_first_lines(error)}{at_user_line(error)}",
            hint="check the shapes and dtypes in the recipe or in --input against what forward() takes",
        ) from error


def _dynamic_shapes(module: nn.Module, inputs: Sequence[TensorSpec]) -> Any:
    """One entry per input; dimensions of the same name in several inputs are one and the same Dim."""
    from torch.export import Dim

    dims = {name: Dim(name, min=dim.min, max=dim.max) for spec in inputs for name, dim in spec.dynamic.items()}
    if not dims:
        return None
    shapes = tuple({axis: dims[dim] for axis, dim in enumerate(spec.shape) if isinstance(dim, str)} for spec in inputs)
    return (shapes,) if _takes_varargs(module) else shapes


def _takes_varargs(module: nn.Module) -> bool:
    import inspect

    parameters = list(inspect.signature(module.forward).parameters.values())
    return bool(parameters) and parameters[0].kind is inspect.Parameter.VAR_POSITIONAL


def _refused(error: Exception, module: nn.Module) -> CaptureError:
    text = str(error)
    cure = next((cause.cure for cause in CAUSES if re.search(cause.pattern, text)), None)
    return CaptureError(
        f"torch.export refuses {type(module).__name__}: {_first_lines(error)}{at_user_line(error) or _line_in(text)}",
        hint=cure or "https://docs.pytorch.org/docs/stable/export.html lists what torch.export takes",
    )


def _line_in(text: str) -> str:
    """The user's line as torch.export's own message quotes it."""
    quoted = re.findall(r'File "([^"]+)", line (\d+), in (\S+)\n\s+(.+)', text)
    mine = [found for found in quoted if is_user_file(found[0])]
    if not mine:
        return ""
    file, line, function, source = mine[-1]
    return f"\n  at {file}:{line}, in {function}: {source.strip()}"


def _first_lines(error: Exception, lines: int = 3) -> str:
    kept = [line.strip() for line in str(error).splitlines() if line.strip()][:lines]
    return f"{type(error).__name__}: " + " ".join(kept)


def _output_names(outputs: Any) -> tuple[str, ...] | None:
    """A dict of tensors names its outputs; anything else gets numbers."""
    import torch

    if isinstance(outputs, dict) and all(isinstance(value, torch.Tensor) for value in outputs.values()):
        return tuple(re.sub(r"\W", "_", str(key)) for key in outputs)
    return None


def _check_same(program: ExportedProgram, example: tuple[torch.Tensor, ...], expected: Any) -> None:
    """The captured graph runs the same kernels, so its outputs must be the module's own."""
    import torch
    from torch.utils import _pytree as pytree

    with quiet(), torch.no_grad():
        got = program.module()(*(tensor.clone() for tensor in example))
    for mine, theirs in zip(pytree.tree_leaves(got), pytree.tree_leaves(expected), strict=True):
        if not torch.allclose(mine.float(), theirs.float(), rtol=1e-4, atol=1e-5, equal_nan=True):
            raise CaptureError(
                "the captured program does not give the module's own outputs: "
                f"they differ by up to {(mine.float() - theirs.float()).abs().max():.3g}",
                hint="forward() may depend on something besides its inputs (random numbers, a counter, a global)",
            )


def _symbols(program: ExportedProgram, inputs: Sequence[TensorSpec]) -> dict[str, str]:
    """The program's own symbol for each declared dynamic dimension, for example s77 -> batch."""
    nodes = {node.name: node for node in program.graph.nodes}
    found: dict[str, str] = {}
    for spec, name in zip(inputs, program.graph_signature.user_inputs, strict=True):
        for declared, size in zip(spec.shape, nodes[str(name)].meta["val"].shape, strict=True):
            if isinstance(declared, str) and not isinstance(size, int):
                found[str(size)] = declared
    return found


def _in_terms_of(outputs: tuple[TensorSpec, ...], names: dict[str, str]) -> tuple[TensorSpec, ...]:
    """The output specs with the program's symbols replaced by the declared dimension names."""
    return tuple(
        TensorSpec(
            name=spec.name,
            dtype=spec.dtype,
            shape=tuple(names.get(dim, dim) if isinstance(dim, str) else dim for dim in spec.shape),
            dynamic={names.get(dim, dim): bounds for dim, bounds in spec.dynamic.items()},
        )
        for spec in outputs
    )
