"""Kinds: what sort of work an operator does, from its name, by the table kinds.toml. What fits nowhere is `other`.

Eager PyTorch, ONNX Runtime, XNNPACK and ExecuTorch's kernels each have their own names for the same work.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import Field

from mobilekit.spec.base import Spec

HAND_OVER = "hand-over to delegates"
"""The operator, and the kind, of what a delegate takes beyond the operators inside it."""
OTHER = "other"
_FILE = "kinds.toml"


class Kind(Spec):
    """One entry of the table: patterns of names, by whose names they are."""

    name: Annotated[str, Field(min_length=1)]
    xnnpack: tuple[str, ...]
    torch: tuple[str, ...]
    onnx: tuple[str, ...]


class Kinds(Spec):
    """The table."""

    kind: Annotated[tuple[Kind, ...], Field(min_length=1)]


@cache
def kinds() -> tuple[Kind, ...]:
    """The table that comes with mobilekit, in its order."""
    text = files("mobilekit.inspection").joinpath(_FILE).read_text(encoding="utf-8")
    return Kinds.model_validate(tomllib.loads(text)).kind


@cache
def kind_names() -> tuple[str, ...]:
    """Every kind that `kind_of` can answer, in the order of tables and bars."""
    return (*(one.name for one in kinds()), HAND_OVER, OTHER)


def kind_of(operator: str) -> str:
    """The kind of an operator as its runtime calls it: `aten.conv2d.default`, `QLinearConv`, `Softmax (NC, F32)`."""
    if operator == HAND_OVER:
        return HAND_OVER
    name, family = _bare(operator)
    return next((one.name for one in kinds() if any(fnmatchcase(name, p) for p in _patterns(one, family))), OTHER)


def _bare(operator: str) -> tuple[str, Literal["xnnpack", "torch", "onnx"]]:
    """The name without domain, overload and shape, and whose names it follows."""
    if " (" in operator:
        return operator.partition(" (")[0], "xnnpack"
    domain, _, name = operator.rpartition("::")
    if name[:1].isupper():
        return name, "onnx"
    parts = name.split(".")
    # `aten::mean.out` has its domain before the colons, `aten.mean.dim` before the first dot.
    bare = parts[0] if domain or len(parts) == 1 else parts[1]
    return bare.strip("_"), "torch"


def _patterns(kind: Kind, family: Literal["xnnpack", "torch", "onnx"]) -> Iterator[str]:
    yield from {"xnnpack": kind.xnnpack, "torch": kind.torch, "onnx": kind.onnx}[family]
