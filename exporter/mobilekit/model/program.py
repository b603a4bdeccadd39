"""Reading an ExportedProgram's signature: names, dtypes and shapes of its inputs and outputs as TensorSpecs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mobilekit.errors import CaptureError
from mobilekit.spec import DynamicDim, TensorSpec
from mobilekit.spec.tensor import DTYPES

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

_UNBOUNDED = 1 << 20


def input_specs(program: ExportedProgram) -> tuple[TensorSpec, ...]:
    """One spec per user input, in order. Raises CaptureError for inputs that are not tensors, or unbounded."""
    return tuple(
        _spec(name, value, program, f"input {name!r}")
        for name, value in _user_values(program, program.graph_signature.user_inputs)
    )


def output_specs(program: ExportedProgram, names: tuple[str, ...] | None = None) -> tuple[TensorSpec, ...]:
    """One spec per tensor output, flattened in order; called `output`, or output0, output1, ... when several."""
    values = _user_values(program, program.graph_signature.user_outputs)
    given = names or (("output",) if len(values) == 1 else tuple(f"output{i}" for i in range(len(values))))
    return tuple(
        _spec(name, value, program, f"output {name!r}") for name, (_, value) in zip(given, values, strict=True)
    )


def _user_values(program: ExportedProgram, names: tuple[Any, ...]) -> list[tuple[str, Any]]:
    nodes = {node.name: node for node in program.graph.nodes}
    return [(str(name), nodes[name].meta.get("val") if name in nodes else name) for name in names]


def _spec(name: str, value: torch.Tensor | Any, program: ExportedProgram, what: str) -> TensorSpec:
    import torch

    if not isinstance(value, torch.Tensor):
        raise CaptureError(
            f"{what} is {type(value).__name__}, not a tensor",
            hint="take and return tensors only; bake constants into the module",
        )
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise CaptureError(f"{what} is {dtype}", hint=f"phones take {', '.join(DTYPES)}")
    dynamic: dict[str, DynamicDim] = {}
    shape = tuple(_dimension(size, program, dynamic, what) for size in value.shape)
    return TensorSpec.model_validate(
        {"name": re.sub(r"\W", "_", name), "dtype": dtype, "shape": shape, "dynamic": dynamic}
    )


def _dimension(size: Any, program: ExportedProgram, dynamic: dict[str, DynamicDim], what: str) -> int | str:
    if isinstance(size, int):
        return size
    expression = size.node.expr
    if expression.is_number:
        return int(expression)
    bounds = [_bounds(symbol, program) for symbol in expression.free_symbols]
    low = int(expression.subs([(symbol, lo) for symbol, lo, _ in bounds]))
    high = int(expression.subs([(symbol, hi) for symbol, _, hi in bounds]))
    if high >= _UNBOUNDED:
        raise CaptureError(f"{what} has a dimension without an upper bound", hint="give torch.export.Dim a max")
    name = re.sub(r"\W+", "_", str(expression))
    dynamic[name] = DynamicDim(min=max(1, low), max=high)
    return name


def _bounds(symbol: Any, program: ExportedProgram) -> tuple[Any, int, int]:
    limits = program.range_constraints.get(symbol)
    if limits is None:
        return symbol, 1, _UNBOUNDED
    upper = int(limits.upper) if limits.upper.is_finite else _UNBOUNDED
    return symbol, max(1, int(limits.lower)), upper
