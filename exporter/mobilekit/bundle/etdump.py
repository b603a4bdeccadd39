"""Reading an ETDump, the profile that ExecuTorch's runtime writes: who ran, from when to when. Never trusts an offset.

The schema: executorch/devtools/etdump/etdump_schema_flatcc.fbs. ExecuTorch's own reader (devtools.Inspector) reads the
same bytes; it imports the exporter first, which takes 11 s here, and wants the model's ETRecord to name delegates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from mobilekit.bundle.flatbuffer import Buffer, FlatBufferError, Table
from mobilekit.errors import RunnerError
from mobilekit.spec.base import Spec

_IDENTIFIER = b"ED00"
_METHOD, _KERNEL, _DELEGATE = "Method::execute", "OPERATOR_CALL", "DELEGATE_CALL"


class Span(Spec):
    """One thing that took time, in nanoseconds of the runtime's clock."""

    kind: Literal["method", "kernel", "delegate", "inside"]
    name: str
    chain: int
    instruction: int
    start: int
    end: int

    @property
    def nanoseconds(self) -> int:
        return max(0, self.end - self.start)


def read_etdump(data: bytes) -> tuple[tuple[Span, ...], ...]:
    """The spans of each inference, in order. Raises FlatBufferError when the bytes are not an ETDump."""
    # A dump is preceded by its size where the runtime wrote it in one piece.
    offset = 4 if data[8:12] == _IDENTIFIER else 0
    buffer = Buffer(data, offset)
    if buffer.identifier() != _IDENTIFIER:
        raise FlatBufferError("the identifier ED00 is missing")
    runs = []
    for run in buffer.root().tables(1):
        spans = tuple(_spans(run))
        if any(span.kind == "method" for span in spans):
            runs.append(spans)
    return tuple(runs)


def counted_runs(dump: bytes, warmup: int, artifact: str) -> tuple[tuple[Span, ...], ...]:
    """The inferences after the first `warmup`. Raises RunnerError when the dump cannot be read, or holds none."""
    try:
        runs = read_etdump(dump)[warmup:]
    except FlatBufferError as error:
        raise RunnerError(f"{artifact}: the profile that ExecuTorch wrote cannot be read: {error}") from error
    if not runs:
        raise RunnerError(f"{artifact}: the profile that ExecuTorch wrote holds no inference")
    return runs


def _spans(run: Table) -> Iterator[Span]:
    for event in run.tables(3):
        profile = event.table(0)
        if profile is None:
            continue
        name, inside = profile.text(0), profile.text(4)
        kind = _kind(name, inside)
        if kind is not None:
            yield Span(
                kind=kind,
                name=inside if kind == "inside" else name,
                chain=profile.number(1, "i"),
                instruction=profile.number(2, "i", -1),
                start=profile.number(6, "Q"),
                end=profile.number(7, "Q"),
            )


def _kind(name: str, inside: str) -> Literal["method", "kernel", "delegate", "inside"] | None:
    """None for what is part of another span: loading, and the kernel's own function inside its call."""
    if name == _METHOD:
        return "method"
    if name == _KERNEL:
        return "kernel"
    if name == _DELEGATE:
        return "delegate"
    return "inside" if inside else None
