"""Operators: a profile whose clock counted instructions -> instructions by operator. Executes nothing."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mobilekit.bundle.contents import Call
from mobilekit.bundle.etdump import Span, counted_runs
from mobilekit.bundle.measured import OperatorInstructions
from mobilekit.bundle.pte import PteSummary, read_pte

METHOD = "forward"
_NUMBER = re.compile(r" #\d+$")
_PER_INSTRUCTION = 1000  # nanoseconds: cpp/clock.h counts a microsecond for each


def by_operator(artifact: Path, profile: bytes, warmup: int) -> tuple[OperatorInstructions, ...]:
    """The operators of `artifact` by what they take, the most costly first: medians over the runs after `warmup`.

    Raises BundleError when the artifact, RunnerError when the profile cannot be read.
    """
    program = read_pte(artifact)
    return summed(counted_runs(profile, warmup, artifact.name), program)


def summed(runs: Sequence[Sequence[Span]], program: PteSummary) -> tuple[OperatorInstructions, ...]:
    """The median of each operator's sum, under its name without its number."""
    calls: dict[str, list[int]] = {}
    taken: dict[str, list[int]] = {}
    for run in runs:
        count: Counter[str] = Counter()
        instructions: Counter[str] = Counter()
        for name, one in _named(run, program):
            count[name] += 1
            instructions[name] += one
        for name, value in instructions.items():
            calls.setdefault(name, []).append(count[name])
            taken.setdefault(name, []).append(value)
    found = [
        OperatorInstructions(
            name=name, calls=round(statistics.median(calls[name])), instructions=round(statistics.median(values))
        )
        for name, values in taken.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.instructions, one.name)))


def _named(run: Sequence[Span], program: PteSummary) -> Iterator[tuple[str, int]]:
    """Kernels and what is inside delegates, each once; a delegate as a whole where it says nothing of its inside."""
    places = {(call.chain, call.instruction): call for call in program.calls if call.method == METHOD}
    told = {(span.chain, span.instruction) for span in run if span.kind == "inside"}
    for span in run:
        place = (span.chain, span.instruction)
        if span.kind == "inside":
            yield _NUMBER.sub("", span.name), span.nanoseconds // _PER_INSTRUCTION
        elif span.kind != "method" and place in places and place not in told:
            yield _name(places[place], program), span.nanoseconds // _PER_INSTRUCTION


def _name(call: Call, program: PteSummary) -> str:
    return call.operator or (program.delegates[call.delegate].backend if call.delegate is not None else "unknown")
