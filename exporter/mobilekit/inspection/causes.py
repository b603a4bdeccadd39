"""Causes: why an operator stayed outside the delegates, and what cures it, from the table causes.toml. Guesses nothing.

The table is data: entries are tried in their order, and an operator that none fits is said to be unknown.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from mobilekit.bundle.contents import Call, Count
from mobilekit.errors import SpecError
from mobilekit.spec.base import Spec
from mobilekit.spec.load import problems_of

_FILE = "causes.toml"
_XNNPACK = "XnnpackBackend"
Sentence = Annotated[str, Field(min_length=10)]
Reference = Annotated[str, Field(pattern=r"^https://[a-z0-9.]+/\S+$")]


class Cause(Spec):
    """One entry of the table."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    operators: Annotated[tuple[str, ...], Field(min_length=1)]
    dtypes: tuple[str, ...] = ()
    dynamic: bool | None = None
    rank: Count | None = None
    taken: Literal["sometimes", "never"]
    why: Sentence
    cure: Sentence
    references: Annotated[tuple[Reference, ...], Field(min_length=1)]

    def fits(self, call: Call) -> bool:
        """Whether this explains the kernel call."""
        name = call.operator or ""
        if not any(fnmatchcase(name, pattern) for pattern in self.operators):
            return False
        if self.dtypes and not any(tensor.dtype in self.dtypes for tensor in call.tensors):
            return False
        varies = any(not isinstance(size, int) for tensor in call.tensors for size in tensor.shape)
        if self.dynamic is not None and varies != self.dynamic:
            return False
        return self.rank is None or (bool(call.tensors) and len(call.tensors[0].shape) == self.rank)


class Causes(Spec):
    """The table."""

    checked: str = Field(description="the release whose partitioner the entries were read from")
    cause: Annotated[tuple[Cause, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_are_distinct(self) -> Self:
        twice = [name for name, count in Counter(one.id for one in self.cause).items() if count > 1]
        if twice:
            raise ValueError(f"ids occur more than once: {', '.join(twice)}")
        return self


class Fallback(Spec):
    """Kernel calls of one operator with one cause."""

    operator: str
    count: Count
    cause: str = Field(description="id in the table; `unknown` when nothing there fits")
    why: str
    cure: str
    references: tuple[str, ...]
    instructions: tuple[Count, ...] = Field(description="where they stand in the program, see `calls`")


UNKNOWN = Cause(
    id="unknown",
    operators=("*",),
    taken="sometimes",
    why="not in the table of causes",
    cure="ExecuTorch says it while lowering: XnnpackPartitioner(verbose=True)",
    references=("https://docs.pytorch.org/executorch/stable/backends/xnnpack/xnnpack-partitioner.html",),
)
_OTHER_BACKEND = "the table of causes knows XNNPACK, and this program was lowered for {backends}"
_NO_BACKEND = "nothing in this program is delegated: it was lowered without a partitioner, or none of it was taken"


def parse_causes(text: str, source: str = _FILE) -> Causes:
    """Raises SpecError with all problems of the table."""
    try:
        return Causes.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SpecError(source, [], hint=f"not valid TOML: {error}") from error
    except ValidationError as error:
        raise SpecError(source, problems_of(error, Causes)) from error


@cache
def causes() -> Causes:
    """The table that comes with mobilekit."""
    return parse_causes(files("mobilekit.inspection").joinpath(_FILE).read_text(encoding="utf-8"))


def cause_of(call: Call) -> Cause:
    """The first entry that fits, or UNKNOWN."""
    return next((cause for cause in causes().cause if cause.fits(call)), UNKNOWN)


def fallbacks(calls: Sequence[Call], backends: Sequence[str]) -> tuple[Fallback, ...]:
    """The kernel calls by operator and cause, the most frequent first."""
    grouped: dict[tuple[str, str], list[tuple[int, Cause]]] = {}
    for place, call in enumerate(calls):
        if call.operator is not None:
            cause = cause_of(call)
            grouped.setdefault((call.operator, cause.id), []).append((place, cause))
    found = [_fallback(operator, entries, backends) for (operator, _), entries in grouped.items()]
    return tuple(sorted(found, key=lambda one: (-one.count, one.operator, one.cause)))


def _fallback(operator: str, entries: list[tuple[int, Cause]], backends: Sequence[str]) -> Fallback:
    cause = entries[0][1]
    why = cause.why
    if backends and _XNNPACK not in backends:
        cause, why = UNKNOWN, _OTHER_BACKEND.format(backends=", ".join(backends))
    elif not backends:
        why = f"{_NO_BACKEND}; for XNNPACK: {why}"
    return Fallback(
        operator=operator,
        count=len(entries),
        cause=cause.id,
        why=why,
        cure=cause.cure,
        references=cause.references,
        instructions=tuple(place for place, _ in entries),
    )
