"""Prepare: the float program -> the one that a scheme is lowered from, for schemes that need no data.

Which target wants it, and which makes the scheme from the float program itself, its realizations say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mobilekit.capture import Captured
from mobilekit.quantize.dynamic import dynamic
from mobilekit.quantize.grouped import grouped
from mobilekit.quantize.half import half
from mobilekit.registry import lookup

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_MAKERS: dict[str, Callable[[Captured], ExportedProgram]] = {
    "fp16": half,
    "int8-dynamic": dynamic,
    "int4-weight-only": grouped,
}


def prepare(scheme: str, captured: Captured) -> ExportedProgram:
    """The program of `scheme`. Raises QuantizeError when nothing in it has that form, UnknownName for the scheme."""
    return lookup("scheme that needs no data", scheme, _MAKERS)(captured)
