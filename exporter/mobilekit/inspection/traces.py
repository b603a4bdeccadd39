"""Traces: what the process that measures one artifact answers, and what all its tracers share: runs and inputs.

Times of a .pte are in ExecuTorch's own format; those of the others are `Runs`. Holds no runtime.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, TypeAdapter, model_validator

from mobilekit.bundle.contents import Count
from mobilekit.errors import RunnerError
from mobilekit.runners.base import Array
from mobilekit.runners.protocol import Refused
from mobilekit.spec.base import Spec

WARMUP, MOST_RUNS, MOST_SECONDS = 5, 200, 3.0
Sizes = tuple[tuple[Count, ...], ...]
"""The shape of each input."""
_SIZES: TypeAdapter[Sizes] = TypeAdapter(Sizes)


class Traced(Spec):
    """The profile is in the shared file; its first `warmup` runs are not to be counted."""

    kind: Literal["traced"] = "traced"
    method: str
    warmup: Count
    sizes: Sizes = Field(default=(), description="the shapes of the inputs")


class OperatorRuns(Spec):
    """All calls of one operator in a run together: how many, and the nanoseconds of each counted run."""

    name: str
    calls: Annotated[int, Field(ge=1)]
    nanoseconds: tuple[Count, ...]


class Runs(Spec):
    """The counted runs, warm-up left out: each as a whole, and by operator."""

    n: Annotated[int, Field(ge=1)]
    whole: tuple[Count, ...] | None = Field(
        description="nanoseconds; None where what runs between the operators is the tracer's own"
    )
    operators: tuple[OperatorRuns, ...]

    @model_validator(mode="after")
    def _as_many_everywhere(self) -> Self:
        counts = {len(one.nanoseconds) for one in self.operators} | ({len(self.whole)} if self.whole else set())
        if counts - {self.n}:
            raise ValueError(f"{self.n} runs, and times of {max(counts - {self.n})}")
        return self


_REPLY: TypeAdapter[Traced | Refused] = TypeAdapter(Annotated[Traced | Refused, Field(discriminator="kind")])


def decode(line: bytes) -> Traced | Refused:
    """Raises ValueError when the line is not a reply."""
    return _REPLY.validate_json(line)


def encode_sizes(sizes: Sequence[Sequence[int]]) -> str:
    """Shapes as one argument of a command; `decode_sizes` reads it."""
    return _SIZES.dump_json(tuple(map(tuple, sizes))).decode()


def decode_sizes(text: str) -> Sizes:
    """Raises ValueError when the text is not shapes."""
    return _SIZES.validate_json(text)


def repeat(call: Callable[[], object]) -> None:
    """Warm up, and then run until there are enough runs or the time is over; at least one run counts."""
    start = time.monotonic()
    for done in range(WARMUP + MOST_RUNS):
        call()
        if done >= WARMUP and time.monotonic() - start > MOST_SECONDS:
            break


def collected(runs: Sequence[Sequence[tuple[str, int]]], whole: Sequence[int] | None) -> Runs:
    """Calls of each counted run, name and nanoseconds, summed by operator. An operator that a run lacks took none."""
    sums: dict[str, list[int]] = {}
    counts: dict[str, int] = {}
    for index, run in enumerate(runs):
        here: dict[str, int] = {}
        for name, taken in run:
            sums.setdefault(name, [0] * len(runs))[index] += taken
            here[name] = here.get(name, 0) + 1
        for name, count in here.items():
            counts[name] = max(counts.get(name, 0), count)
    operators = tuple(
        OperatorRuns(name=name, calls=counts[name], nanoseconds=tuple(taken)) for name, taken in sums.items()
    )
    return Runs(n=len(runs), whole=None if whole is None else tuple(whole), operators=operators)


def random_values(dtype: str, shape: Sequence[int], index: int) -> Array:
    """Input `index`: standard normal floats, and whole numbers of 0 and 1, safe for indices and masks alike."""
    chance = np.random.default_rng(index)
    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise RunnerError(f"input {index} is of a dtype that cannot be made here ({dtype})") from error
    if kind.kind == "f":
        return np.asarray(chance.standard_normal(shape, dtype=np.float32)).astype(kind)
    if kind.kind in "biu":
        return np.asarray(chance.integers(0, 2, shape)).astype(kind)
    raise RunnerError(f"input {index} is of a dtype that cannot be made here ({dtype})")
