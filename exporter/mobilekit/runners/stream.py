"""Streaming: a whole sample through a streaming artifact, piece by piece, its states handed from call to call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from mobilekit.errors import RunnerError
from mobilekit.runners.base import Array, Session
from mobilekit.spec.base import Spec

Index = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1)]


class FedState(Spec):
    """A state: the output that the next call takes. Its inputs come after the sample's own, in this order."""

    output: Index
    shape: tuple[Size, ...]
    dtype: str
    initial: float


class Feed(Spec):
    """Which of a sample's tensors is cut, along which axis, into pieces of how many frames."""

    sequence: Index
    axis: Index
    frames: Size
    states: tuple[FedState, ...]

    def calls(self, sample: Sequence[Array]) -> int:
        """How many calls a sample takes. Raises RunnerError when its frames do not make whole pieces."""
        length = sample[self.sequence].shape[self.axis]
        if length % self.frames:
            raise RunnerError(f"{length} frames cannot be fed in pieces of {self.frames}")
        return int(length) // self.frames

    def first(self, sample: Sequence[Array]) -> tuple[Array, ...]:
        """The inputs of the first call."""
        return self._inputs(sample, 0, self._initial())

    def run(self, session: Session, sample: Sequence[Array]) -> Iterator[tuple[tuple[Array, ...], list[Array]]]:
        """Each call's inputs and outputs, from the initial states on."""
        states = self._initial()
        for call in range(self.calls(sample)):
            inputs = self._inputs(sample, call, states)
            # Some runtimes give out their own memory, and write the next outputs into it.
            outputs = [np.array(output) for output in session.run(inputs)]
            states = [outputs[state.output] for state in self.states]
            yield inputs, outputs

    def _initial(self) -> list[Array]:
        return [np.full(state.shape, state.initial, state.dtype) for state in self.states]

    def _inputs(self, sample: Sequence[Array], call: int, states: Sequence[Array]) -> tuple[Array, ...]:
        window = [slice(None)] * self.axis + [slice(call * self.frames, (call + 1) * self.frames)]
        piece = np.ascontiguousarray(sample[self.sequence][tuple(window)])
        given = [piece if index == self.sequence else array for index, array in enumerate(sample)]
        return (*given, *states)


def run_stream(session: Session, sample: Sequence[Array], feed: Feed) -> list[Array]:
    """Every output of every call: one array per output, (calls, *shape). Raises RunnerError as the session does."""
    rows = [outputs for _, outputs in feed.run(session, sample)]
    return [np.stack(column) for column in zip(*rows, strict=True)]
