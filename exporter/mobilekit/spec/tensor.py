"""Tensor specs: name, dtype and shape of a model's inputs and outputs, with bounded dynamic dimensions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from mobilekit.errors import Problem, SpecError
from mobilekit.spec.base import Spec

DType = Literal["float32", "float16", "int64", "int32", "int8", "uint8", "bool"]
DTYPES: tuple[str, ...] = ("float32", "float16", "int64", "int32", "int8", "uint8", "bool")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


def _size_or_name(value: Any) -> Any:
    """One message for both alternatives, instead of one per alternative that failed."""
    size = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if not size and not (isinstance(value, str) and _NAME.match(value)):
        raise ValueError('must be a size of 1 or more, or the name of a dynamic dimension such as "batch"')
    return value


Dim = Annotated[Annotated[int, Field(ge=1)] | Name, BeforeValidator(_size_or_name)]


class DynamicDim(Spec):
    """Bounds of a dynamic dimension, both inclusive."""

    min: Annotated[int, Field(ge=1)] = 1
    max: Annotated[int, Field(ge=2)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min >= self.max:
            raise ValueError(f"min must be below max (min {self.min}, max {self.max})")
        return self


class TensorSpec(Spec):
    """One input or output. A dimension is a size, or the name of a dynamic dimension listed in `dynamic`."""

    name: Name
    dtype: DType = "float32"
    shape: tuple[Dim, ...]
    dynamic: dict[str, DynamicDim] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_bounded(self) -> Self:
        unbounded = [dim for dim in self.shape if isinstance(dim, str) and dim not in self.dynamic]
        if unbounded:
            raise ValueError(f"dimension {unbounded[0]!r} has no bounds; give it a [dynamic.{unbounded[0]}] table")
        return self

    def sized(self, sizes: Mapping[str, int] | None = None) -> tuple[int, ...]:
        """The concrete shape, each dynamic dimension at `sizes[name]`, or at its lower bound."""
        chosen = {name: dim.min for name, dim in self.dynamic.items()} | dict(sizes or {})
        return tuple(dim if isinstance(dim, int) else chosen[dim] for dim in self.shape)

    def largest(self) -> tuple[int, ...]:
        """The concrete shape with each dynamic dimension at its upper bound."""
        return self.sized({name: dim.max for name, dim in self.dynamic.items()})

    def mismatch(self, shape: Sequence[int]) -> str | None:
        """Why a tensor of `shape` does not fit, in words; None when it fits."""
        if len(shape) != len(self.shape):
            return f"{self.name} has {len(self.shape)} dimensions {self.describe()}, given {list(shape)}"
        for axis, (given, allowed) in enumerate(zip(shape, self.shape, strict=True)):
            if isinstance(allowed, int):
                if given != allowed:
                    return f"{self.name}: dimension {axis} must be {allowed}, given {given}"
            elif not self.dynamic[allowed].min <= given <= self.dynamic[allowed].max:
                bounds = self.dynamic[allowed]
                return f"{self.name}: dimension {axis} ({allowed}) must be {bounds.min} to {bounds.max}, given {given}"
        return None

    def describe(self) -> str:
        """`[batch=1..8, 3, 224, 224]`"""
        parts = [
            str(dim) if isinstance(dim, int) else f"{dim}={self.dynamic[dim].min}..{self.dynamic[dim].max}"
            for dim in self.shape
        ]
        return f"[{', '.join(parts)}]"


def parse_inputs(texts: Sequence[str]) -> tuple[TensorSpec, ...]:
    """Parse `--input` options: `[NAME:][DTYPE:]DIM,DIM,...`, a DIM being `3`, `batch=1..8`, or `batch` again.

    `image:float32:batch=1..8,3,96,96` and `1,3,96,96` are both understood. A dynamic dimension is bounded
    where it is first named; later inputs may use the bare name. Raises SpecError with all problems.
    """
    problems: list[Problem] = []
    bounds: dict[str, DynamicDim] = {}
    specs: list[TensorSpec] = []
    for index, text in enumerate(texts):
        try:
            specs.append(_parse_input(text, f"input{index}" if len(texts) > 1 else "input", bounds))
        except ValueError as error:
            problems.append(Problem(f"--input {text}", repr(text), str(error)))
    names = [spec.name for spec in specs]
    problems += [
        Problem("--input", repr(name), "each input needs a name of its own")
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    if problems:
        raise SpecError(
            "command line",
            problems,
            hint="an input is [NAME:][DTYPE:]DIMS, for example image:float32:batch=1..8,3,96,96",
        )
    return tuple(specs)


def _parse_input(text: str, default_name: str, bounds: dict[str, DynamicDim]) -> TensorSpec:
    *head, dims = text.split(":")
    dtype, name = "float32", default_name
    for part in head:
        if part in DTYPES:
            dtype = part
        elif _NAME.match(part):
            name = part
        else:
            raise ValueError(f"{part!r} is neither a name nor a dtype ({', '.join(DTYPES)})")
    if len(head) > 2:
        raise ValueError("at most NAME:DTYPE: may stand before the dimensions")
    shape = tuple(_parse_dim(dim.strip(), bounds) for dim in dims.split(","))
    used = {dim: bounds[dim] for dim in shape if isinstance(dim, str)}
    return TensorSpec.model_validate({"name": name, "dtype": dtype, "shape": shape, "dynamic": used})


def _parse_dim(text: str, bounds: dict[str, DynamicDim]) -> int | str:
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    name, equals, limits = text.partition("=")
    if not _NAME.match(name):
        raise ValueError(f"dimension {text!r} must be a positive size, or NAME=MIN..MAX for a dynamic one")
    if not equals:
        if name not in bounds:
            raise ValueError(f"dimension {name!r} has no bounds yet; write {name}=1..8 where it is first used")
        return name
    low, dots, high = limits.partition("..")
    if not (dots and (low + high).isascii() and low.isdigit() and high.isdigit() and 1 <= int(low) < int(high)):
        raise ValueError(f"bounds of {name!r} must be MIN..MAX with 1 <= MIN < MAX, given {limits!r}")
    given = DynamicDim(min=int(low), max=int(high))
    if bounds.setdefault(name, given) != given:
        raise ValueError(f"dimension {name!r} is given two different bounds")
    return name
