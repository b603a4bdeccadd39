"""Ranges: qat.json in a run, how int8 rounds the activations of a network that was trained for it. Refuses any other.

Training for int8 rounds as the export will, so that the export must take the very ranges that training had.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from mobilekit.errors import SpecError, UsageError
from mobilekit.files import write_atomically
from mobilekit.spec.base import Spec
from mobilekit.spec.load import problems_of
from mobilekit.spec.quantize import QuantizeSpec, Rule

FILE = "qat.json"


class ActivationRange(Spec):
    """One activation; zero lies in it."""

    low: Annotated[float, Field(le=0)]
    high: Annotated[float, Field(ge=0)]


class Ranges(Spec):
    """qat.json."""

    schema_version: Literal[1] = 1
    options: QuantizeSpec = Field(description="how the network was prepared")
    rule: Rule = Field(description="by which the ranges were taken, before training")
    samples: Annotated[int, Field(ge=1)] = Field(description="that they were measured on")
    activations: dict[str, ActivationRange] = Field(description="by observer, as the prepared graph names it")


def write_ranges(folder: Path, ranges: Ranges) -> None:
    """Write `folder`/qat.json atomically. Raises StorageError."""
    write_atomically(folder / FILE, ranges.model_dump_json(indent=2) + "\n")


def load_ranges(path: Path) -> Ranges:
    """Read a qat.json. Raises UsageError when it cannot be read, SpecError when it does not validate."""
    try:
        return Ranges.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="train again with --qat") from error
    except ValidationError as error:
        raise SpecError(str(path), problems_of(error, Ranges), hint="the file was changed or is damaged") from error
