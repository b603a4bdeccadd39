"""The control protocol between a caller and its worker: one JSON object per line, each a typed request or reply.

    caller                                  worker
                                            ready          imported, threads set
    load(artifact, threads)                 loaded(load_ms)
    run(samples, tensors, feed)             ran(tensors)          arrays through the shared files
    time(tensors, ...)                      timed(nanoseconds)    any number of times, for taking turns
    count(tensors, warmup, runs)            counted(instructions) from an emulator only
    profile(tensors, warmup, runs)          profiled(bytes)       from C++ only: an ETDump in the shared file
    memory                                  memory(peak_bytes)
                                            refused(message)      instead of any of these
    (end of file)                           exits

cpp/worker.cpp speaks it too. Arrays do not travel here, see arrays.py. A line that does not decode is an error, never
guessed at.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from mobilekit.runners.stream import Feed
from mobilekit.spec.base import Spec

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0)]


class Load(Spec):
    """Load an artifact, in the place of the one before."""

    kind: Literal["load"] = "load"
    artifact: str
    threads: Positive


class Run(Spec):
    """Run each of the samples in the input file: once, or with `feed` piece by piece."""

    kind: Literal["run"] = "run"
    samples: Positive
    tensors: Count
    feed: Feed | None = None


class Effort(Spec):
    """How long to time: until both minima are met, and never beyond a maximum (but at least once)."""

    warmup: Count = 10
    min_runs: Positive = 50
    min_seconds: Seconds = 0.5
    max_runs: Positive = 10_000
    max_seconds: Seconds = 10.0


class Time(Spec):
    """Time inference on the one sample in the input file."""

    kind: Literal["time"] = "time"
    tensors: Count
    effort: Effort


class CountInstructions(Spec):
    """Count the instructions of each of `runs` inferences on the one sample in the input file."""

    kind: Literal["count"] = "count"
    tensors: Count
    warmup: Count
    runs: Positive


class ProfileRuns(Spec):
    """Run the one sample in the input file under ExecuTorch's event tracer: `warmup` and `runs` inferences."""

    kind: Literal["profile"] = "profile"
    tensors: Count
    warmup: Count
    runs: Positive


class Memory(Spec):
    """Ask for the peak memory so far."""

    kind: Literal["memory"] = "memory"


class Ready(Spec):
    """The runtime is imported."""

    kind: Literal["ready"] = "ready"


class Loaded(Spec):
    """The artifact is loaded."""

    kind: Literal["loaded"] = "loaded"
    load_ms: Annotated[float, Field(ge=0)]


class Ran(Spec):
    """Every sample's outputs are in the output file, `tensors` each."""

    kind: Literal["ran"] = "ran"
    tensors: Count


class Timed(Spec):
    """Nanoseconds of each timed run, in order; how many runs warmed up; how often a core was taken away meanwhile."""

    kind: Literal["timed"] = "timed"
    nanoseconds: Annotated[tuple[Count, ...], Field(min_length=1)]
    warmup: Count
    preemptions: Count


class Counted(Spec):
    """Instructions that each inference took, in order."""

    kind: Literal["counted"] = "counted"
    instructions: Annotated[tuple[Count, ...], Field(min_length=1)]


class Profiled(Spec):
    """The output file holds an ETDump of so many bytes. Where instructions are counted, each is a microsecond in it."""

    kind: Literal["profiled"] = "profiled"
    bytes: Positive


class MemoryUsed(Spec):
    """Peak resident bytes above the level before loading; None when this system does not tell."""

    kind: Literal["memory"] = "memory"
    peak_bytes: Count | None


class Refused(Spec):
    """The runtime, or the artifact, would not do it; in its own words."""

    kind: Literal["refused"] = "refused"
    message: str
    hint: str | None = None


Request = Load | Run | Time | CountInstructions | ProfileRuns | Memory
Reply = Ready | Loaded | Ran | Timed | Counted | Profiled | MemoryUsed | Refused

_REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="kind")])
_REPLY: TypeAdapter[Reply] = TypeAdapter(Annotated[Reply, Field(discriminator="kind")])


def encode(message: Request | Reply) -> bytes:
    """One line, newline included."""
    return message.model_dump_json().encode() + b"\n"


def decode_request(line: bytes) -> Request:
    """Raises ValueError (pydantic's ValidationError is one) when the line is not a request."""
    return _REQUEST.validate_json(line)


def decode_reply(line: bytes) -> Reply:
    """Raises ValueError (pydantic's ValidationError is one) when the line is not a reply."""
    return _REPLY.validate_json(line)
