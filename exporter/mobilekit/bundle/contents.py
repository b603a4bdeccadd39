"""Contents: what a model file can hold, as typed values that every format's reader fills. Knows no format."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import Field

from mobilekit.spec.base import Spec

Count = Annotated[int, Field(ge=0)]


class OperatorCount(Spec):
    """An operator and how often it occurs."""

    name: str
    count: Count


class TensorInfo(Spec):
    """An input or output as a file declares it. A dimension that may vary is text: `batch`, `1..8`, `..8`, `?`."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class Weight(Spec):
    """One constant of the graph, as it is stored."""

    name: str = Field(description="the format's own; a .pte has none, so there it is the operator's place and role")
    dtype: str
    shape: tuple[Count, ...]
    bytes: Count = Field(description="as stored; of a package with sparse or palettized weights, as unpacked")
    operator: str = Field(description="the kind of operator that it goes into; empty when none does")


class Delegate(Spec):
    """One part of the program that a backend runs as a whole."""

    backend: str
    bytes: Count
    nodes: tuple[OperatorCount, ...] = Field(default=(), description="inside it; known for XnnpackBackend only")
    weight_bytes: Count = Field(default=0, description="constants of its graph, which may lie elsewhere in the file")

    @property
    def node_count(self) -> int:
        return sum(node.count for node in self.nodes)


class Call(Spec):
    """One instruction of a program that computes: a kernel, or a whole delegate."""

    method: str
    chain: Count
    instruction: Count = Field(description="its place in the chain; what a profile names it by")
    operator: str | None = Field(description="of a kernel, with its overload; null for a delegate")
    delegate: Count | None = Field(description="which of the delegates; null for a kernel")
    tensors: tuple[TensorInfo, ...] = Field(default=(), description="of a kernel: inputs and then outputs, each once")


def counted(names: Counter[str]) -> tuple[OperatorCount, ...]:
    """A histogram, the most frequent first, equal counts by name."""
    ordered = sorted(names.items(), key=lambda item: (-item[1], item[0]))
    return tuple(OperatorCount(name=name, count=count) for name, count in ordered)
