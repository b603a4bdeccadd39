"""Reading an ExportedProgram's signature: names, dtypes and shapes of its inputs and outputs as TensorSpecs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mobilekit.errors import CaptureError
from mobilekit.spec import DynamicDim, TensorSpec
from mobilekit.spec.tensor import DTYPES

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_UNBOUNDED = 1 << 20
_LONGEST_NAME = 40
_OPERATORS = {"//": "_div_", "**": "_pow_", "*": "_x_", "+": "_plus_", "-": "_minus_", "/": "_over_"}


def input_specs(program: ExportedProgram) -> tuple[TensorSpec, ...]:
    """One spec per user input, in order. Raises CaptureError for inputs that are not tensors, or unbounded."""
    values = _user_values(program, program.graph_signature.user_inputs)
    symbols = _symbols_by_place(values)
    return tuple(_spec(name, value, program, symbols, f"input {name!r}") for name, value in values)


def output_specs(program: ExportedProgram, names: Sequence[str], symbols: Mapping[str, str]) -> tuple[TensorSpec, ...]:
    """One spec per tensor output, flattened in order, called `names`; `symbols` as `dimension_names` gives them."""
    values = _user_values(program, program.graph_signature.user_outputs)
    return tuple(
        _spec(name, value, program, symbols, f"output {name!r}") for name, (_, value) in zip(names, values, strict=True)
    )


def dimension_names(program: ExportedProgram, inputs: Sequence[TensorSpec]) -> dict[str, str]:
    """The declared name of each of the program's own symbols, for example s77 -> batch."""
    values = _user_values(program, program.graph_signature.user_inputs)
    return {
        str(size): declared
        for spec, (_, value) in zip(inputs, values, strict=True)
        for declared, size in zip(spec.shape, value.shape, strict=True)
        if isinstance(declared, str) and not isinstance(size, int)
    }


def _symbols_by_place(values: Sequence[tuple[str, Any]]) -> dict[str, str]:
    """Names for symbols that came without: `batch` for a first dimension, else the input and the axis."""
    names: dict[str, str] = {}
    for name, value in values:
        for axis, size in enumerate(getattr(value, "shape", ())):
            if not isinstance(size, int) and size.node.expr.is_Symbol and str(size) not in names:
                first = axis == 0 and "batch" not in names.values()
                names[str(size)] = "batch" if first else f"{re.sub(r'[^A-Za-z0-9_]', '_', name)}_dim{axis}"
    return names


def _user_values(program: ExportedProgram, names: Sequence[Any]) -> list[tuple[str, Any]]:
    nodes = {node.name: node for node in program.graph.nodes}
    return [(str(name), nodes[name].meta.get("val") if name in nodes else name) for name in names]


def _spec(name: str, value: Any, program: ExportedProgram, symbols: Mapping[str, str], what: str) -> TensorSpec:
    import torch

    if not isinstance(value, torch.Tensor):
        raise CaptureError(
            f"{what} is {type(value).__name__}, not a tensor",
            hint="take and return tensors only; bake constants into the module",
        )
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise CaptureError(f"{what} is {dtype}", hint=f"phones take {', '.join(DTYPES)}")
    empty = [axis for axis, size in enumerate(value.shape) if isinstance(size, int) and size == 0]
    if empty:
        raise CaptureError(f"{what} is empty: dimension {empty[0]} is 0")
    dims = _Dimensions(program, symbols, what)
    shape = tuple(dims.name(size, axis) for axis, size in enumerate(value.shape))
    return TensorSpec.model_validate({"name": name, "dtype": dtype, "shape": shape, "dynamic": dims.bounds})


class _Dimensions:
    """The dimensions of one tensor: sizes, and names with bounds for those that are expressions of symbols."""

    def __init__(self, program: ExportedProgram, symbols: Mapping[str, str], what: str) -> None:
        self._ranges, self._symbols, self._what = program.range_constraints, symbols, what
        self._expressions: dict[str, Any] = {}
        self.bounds: dict[str, DynamicDim] = {}

    def name(self, size: Any, axis: int) -> int | str:
        if isinstance(size, int):
            return size
        low, high = self._range(size.node.expr)
        if low == high:
            return low
        name = self._readable(size.node.expr)
        if len(name) > _LONGEST_NAME or self._expressions.get(name, size.node.expr) != size.node.expr:
            name = f"dim{axis}"
        self._expressions[name] = size.node.expr
        self.bounds[name] = DynamicDim(min=low, max=high)
        return name

    def _range(self, expression: Any) -> tuple[int, int]:
        """The smallest and the largest value, from the bounds of the symbols; at least 1."""
        from torch.utils._sympy.value_ranges import ValueRanges, bound_sympy

        known = {symbol: self._ranges.get(symbol, ValueRanges(1, _UNBOUNDED)) for symbol in expression.free_symbols}
        bounds = bound_sympy(expression, known)
        if not bounds.upper < _UNBOUNDED:
            raise CaptureError(
                f"{self._what} has a dimension without an upper bound", hint="give torch.export.Dim a max"
            )
        return max(1, int(bounds.lower)), max(1, int(bounds.upper))

    def _readable(self, expression: Any) -> str:
        text = re.sub(r"[A-Za-z_]\w*", lambda found: self._symbols.get(found[0], found[0]), str(expression))
        for operator, word in _OPERATORS.items():
            text = text.replace(operator, word)
        text = re.sub(r"_+", "_", re.sub(r"\W+", "_", text)).strip("_")
        return text if not text[:1].isdigit() else f"dim_{text}"
