"""Prepare: the float program -> the one that a scheme is lowered from, for schemes that need no data.

Which target wants it, and which makes the scheme from the float program itself, its realizations say.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mobilekit.capture import Captured
from mobilekit.quantize.half import half
from mobilekit.quantize.linear import integer_linear
from mobilekit.quantize.schemes import SCHEMES
from mobilekit.registry import lookup

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_MAKERS: dict[str, Callable[[Captured], ExportedProgram]] = {
    "fp16": half,
    "int8-dynamic": partial(integer_linear, SCHEMES["int8-dynamic"]),
    "int4-weight-only": partial(integer_linear, SCHEMES["int4-weight-only"]),
}


def prepare(scheme: str, captured: Captured) -> ExportedProgram:
    """The program of `scheme`. Raises QuantizeError when nothing in it has that form, UnknownName for the scheme."""
    return lookup("scheme that needs no data", scheme, _MAKERS)(captured)
