"""Every message survives encoding, on one line; what is not a message is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.runners import protocol
from mobilekit.runners.protocol import (
    CountInstructions,
    Effort,
    Load,
    ProfileRuns,
    Ran,
    Run,
    Time,
    Timed,
    decode_reply,
    decode_request,
    encode,
)

COUNT = st.integers(0, 2**62)
POSITIVE = st.integers(1, 2**62)
SECONDS = st.floats(0, 1e9)
EFFORTS = st.builds(
    Effort, warmup=COUNT, min_runs=POSITIVE, min_seconds=SECONDS, max_runs=POSITIVE, max_seconds=SECONDS
)
REQUESTS = st.one_of(
    st.builds(Load, artifact=st.text(), threads=POSITIVE),
    st.builds(Run, samples=POSITIVE, tensors=COUNT),
    st.builds(Time, tensors=COUNT, effort=EFFORTS),
    st.builds(CountInstructions, tensors=COUNT, warmup=COUNT, runs=POSITIVE),
    st.builds(ProfileRuns, tensors=COUNT, warmup=COUNT, runs=POSITIVE),
    st.just(protocol.Memory()),
)
REPLIES = st.one_of(
    st.just(protocol.Ready()),
    st.builds(protocol.Loaded, load_ms=SECONDS),
    st.builds(Ran, tensors=COUNT),
    st.builds(Timed, nanoseconds=st.lists(COUNT, min_size=1).map(tuple), warmup=COUNT, preemptions=COUNT),
    st.builds(protocol.Counted, instructions=st.lists(COUNT, min_size=1).map(tuple)),
    st.builds(protocol.Profiled, bytes=POSITIVE),
    st.builds(protocol.MemoryUsed, peak_bytes=st.none() | COUNT),
    st.builds(protocol.Refused, message=st.text(), hint=st.none() | st.text()),
)


@given(REQUESTS)
def test_requests_round_trip(request_) -> None:
    line = encode(request_)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert decode_request(line) == request_


@given(REPLIES)
def test_replies_round_trip(reply) -> None:
    line = encode(reply)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert decode_reply(line) == reply


@given(st.binary())
def test_noise_is_a_value_error_or_a_message(line: bytes) -> None:
    for decode in (decode_request, decode_reply):
        try:
            decode(line)
        except ValueError:
            continue


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"kind": "loaded"}',
        b'{"kind": "loaded", "load_ms": -1}',
        b'{"kind": "loaded", "load_ms": 1, "more": 2}',
        b'{"kind": "timed", "nanoseconds": [], "warmup": 0}',
        b'{"kind": "profiled", "bytes": 0}',
        b'{"kind": "nothing"}',
        b"[]",
    ],
)
def test_what_is_not_a_reply_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode_reply(line)
