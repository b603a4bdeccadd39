"""Schemes: the numeric precisions an artifact can have. Which target takes which, and how, the targets say."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from mobilekit.registry import lookup

Kind = Literal["float", "palette", "weights", "dynamic", "static"]
"""What becomes of the numbers, from least to most: nothing but a cast; weights as indices into a table, or as integers
with scales, both computed in float; activations too, with scales found while the model runs, or on data before."""


@dataclass(frozen=True)
class Scheme:
    """A precision by name. `group_size` inputs of a layer share one scale; None: all inputs of an output channel do."""

    name: str
    summary: str
    kind: Kind = "float"
    weight_bits: int = 32
    group_size: int | None = None

    @property
    def calibrated(self) -> bool:
        """Whether activations are measured on data before lowering."""
        return self.kind == "static"

    @property
    def quantized(self) -> bool:
        """Whether accuracy may be lost that depends on the weights and the data."""
        return self.kind != "float"


STATIC, QAT, MIXED = "int8", "int8-qat", "mixed"
"""The schemes that are calibrated: all of them are one int8 program for all targets."""

SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("fp32", "float32 weights and activations, as trained"),
        Scheme("fp16", "float16 weights; activations in float16 where the target computes in it", weight_bits=16),
        Scheme("int8", "int8 weights per channel, int8 activations with scales from data (PTQ, PT2E)", "static", 8),
        Scheme("int8-qat", "int8 as by int8, of weights that were trained for it (train --qat)", "static", 8),
        Scheme("mixed", "int8, and float where an accuracy budget needs it (--max-drop)", "static", 8),
        Scheme("int8-dynamic", "int8 linear layers, activation scales found at run time: no data needed", "dynamic", 8),
        Scheme("int8-weight-only", "int8 weights per channel, computed in float", "weights", 8),
        Scheme("int4-weight-only", "int4 weights, one scale for each group of 32 inputs", "weights", 4, 32),
        Scheme("palettize-4", "each weight is one of 16 values (4-bit indices, k-means)", "palette", 4),
        Scheme("palettize-6", "each weight is one of 64 values (6-bit indices, k-means)", "palette", 6),
    )
}


def scheme(name: str) -> Scheme:
    """The scheme called `name`; raises UnknownName with the choices."""
    return lookup("scheme", name, SCHEMES)


def nearest(name: str, among: Iterable[str]) -> str:
    """Of the schemes `among`, the one most like `name`: by the bits of a weight, then by what becomes of activations.

    Between equals, more bits, and then what needs no data.
    """
    wanted, kinds = scheme(name), get_args(Kind)

    def distance(other: Scheme) -> tuple[float, bool, int, bool]:
        return (
            round(abs(math.log2(other.weight_bits / wanted.weight_bits)), 6),
            other.weight_bits < wanted.weight_bits,
            abs(kinds.index(other.kind) - kinds.index(wanted.kind)),
            other.calibrated,
        )

    return min((scheme(one) for one in among), key=distance).name
