"""Feeding in pieces: what a call is given, and what it hands on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from mobilekit.errors import RunnerError
from mobilekit.runners import FedState, Feed
from mobilekit.runners.base import Array
from mobilekit.runners.protocol import Run, decode_request, encode
from mobilekit.runners.stream import run_stream

FEED = Feed(sequence=1, axis=1, frames=2, states=(FedState(output=0, shape=(1,), dtype="float32", initial=10.0),))


class Summing:
    """Gives the running sum of what it heard, times the first input, from memory that it uses again each time."""

    def __init__(self) -> None:
        self.heard: list[list[Array]] = []
        self.memory = np.zeros((1,), np.float32)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        self.heard.append([np.array(one) for one in inputs])
        factor, piece, state = inputs
        self.memory[:] = state + piece.sum()
        return [self.memory, np.float32(factor) * self.memory]

    def bind(self, inputs: Sequence[Array]) -> Callable[[], object]:
        raise NotImplementedError


SAMPLE = (np.array(2.0, np.float32), np.arange(6, dtype=np.float32).reshape(1, 6, 1))


def test_pieces_and_states_go_from_call_to_call() -> None:
    session = Summing()
    state, answer = run_stream(session, SAMPLE, FEED)
    assert [one[1].ravel().tolist() for one in session.heard] == [[0, 1], [2, 3], [4, 5]]
    assert [one[2].tolist() for one in session.heard] == [[10], [11], [16]], "from the initial value on"
    assert state.tolist() == [[11], [16], [25]], "each call's own, although the runtime uses its memory again"
    assert answer.tolist() == [[22], [32], [50]]


def test_the_first_call_is_what_is_timed() -> None:
    factor, piece, state = FEED.first(SAMPLE)
    assert (float(factor), piece.tolist(), state.tolist()) == (2.0, [[[0], [1]]], [10])
    assert piece.flags.c_contiguous


def test_frames_must_make_whole_pieces() -> None:
    with pytest.raises(RunnerError, match="5 frames cannot be fed in pieces of 2"):
        run_stream(Summing(), (SAMPLE[0], SAMPLE[1][:, :5]), FEED)


def test_it_travels_to_the_worker() -> None:
    request = Run(samples=1, tensors=2, feed=FEED)
    assert decode_request(encode(request)) == request
    assert decode_request(encode(Run(samples=1, tensors=2))).feed is None  # type: ignore[union-attr]
