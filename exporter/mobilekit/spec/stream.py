"""Streaming as the contract states it: a model that is fed a few frames at a time, and hands its state to itself.

The streaming form of a model takes the whole form's inputs in the same order, one of them in pieces, and then its
states; it gives the whole form's outputs in the same order, and among them the next states. Fed piece by piece from
the initial states on, what it gives for the last piece is what the whole form gives for the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from mobilekit.spec.base import Spec
from mobilekit.spec.tensor import DType, Name, TensorSpec

Size = Annotated[int, Field(ge=1)]


class StreamState(Spec):
    """A tensor that each call takes and gives back for the next one."""

    input: Name = Field(description="the streaming form's input")
    output: Name = Field(description="its output, which is the next call's input")
    shape: tuple[Size, ...]
    dtype: DType = "float32"
    initial: float = Field(default=0.0, description="every value of it before the first call")


class Streaming(Spec):
    """How one input is cut, and what is handed from call to call."""

    input: Name = Field(description="the input that comes in pieces")
    axis: Annotated[int, Field(ge=0)] = Field(default=1, description="its time axis")
    frames: Size = Field(description="of that axis, per call")
    states: Annotated[tuple[StreamState, ...], Field(min_length=1)]


class StreamSpec(Streaming):
    """`[stream]` of a recipe. `args` go to build() besides the recipe's own, and make the streaming form."""

    args: dict[str, Any] = Field(default_factory=dict)

    def inputs_for(self, whole: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
        """The streaming form's inputs: those of the whole form, for one sample and one call, then the states."""
        cut = tuple(
            TensorSpec(
                name=spec.name, dtype=spec.dtype, shape=self._cut(spec) if spec.name == self.input else spec.sized()
            )
            for spec in whole
        )
        states = (TensorSpec(name=one.input, dtype=one.dtype, shape=one.shape) for one in self.states)
        return (*cut, *states)

    def _cut(self, spec: TensorSpec) -> tuple[int, ...]:
        sizes = spec.sized()
        return (*sizes[: self.axis], self.frames, *sizes[self.axis + 1 :])


def check_stream(stream: StreamSpec, inputs: Sequence[TensorSpec]) -> None:
    """Raise ValueError when `stream` does not go with the whole form's inputs."""
    cut = next((spec for spec in inputs if spec.name == stream.input), None)
    if cut is None:
        raise ValueError(f"stream: input {stream.input!r} must be one of {', '.join(spec.name for spec in inputs)}")
    if stream.axis >= len(cut.shape):
        raise ValueError(f"stream: axis {stream.axis} does not exist, {cut.name} is {cut.describe()}")
    length = cut.shape[stream.axis]
    if not isinstance(length, int) or length % stream.frames:
        raise ValueError(
            f"stream: frames must divide the length of {cut.name}, a fixed number: {stream.frames} of {length}"
        )
    names = Counter(
        [spec.name for spec in inputs] + [name for one in stream.states for name in (one.input, one.output)]
    )
    twice = sorted(name for name, count in names.items() if count > 1)
    if twice:
        raise ValueError(f"stream: each input and state needs names of its own, {twice[0]!r} stands twice")
