"""What tracers share: sums by operator over runs, random inputs, and replies that are checked."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.errors import RunnerError
from mobilekit.inspection.traces import (
    MOST_RUNS,
    WARMUP,
    OperatorRuns,
    Runs,
    collected,
    decode,
    decode_sizes,
    encode_sizes,
    random_values,
    repeat,
)

CALLS = st.lists(st.tuples(st.sampled_from(["Conv", "Add", "\x1b[31m", "é"]), st.integers(0, 10**12)), max_size=6)


@given(st.lists(CALLS, min_size=1, max_size=5))
def test_no_nanosecond_is_lost_or_doubled(runs: list[list[tuple[str, int]]]) -> None:
    found = collected(runs, None)
    assert found.n == len(runs)
    for index, run in enumerate(runs):
        assert sum(one.nanoseconds[index] for one in found.operators) == sum(taken for _, taken in run)
    for one in found.operators:
        assert one.calls == max(Counter(name for name, _ in run)[one.name] for run in runs)
    assert Runs.model_validate_json(found.model_dump_json()) == found


def test_runs_of_different_lengths_are_refused() -> None:
    one = OperatorRuns(name="Add", calls=1, nanoseconds=(1, 2))
    with pytest.raises(ValueError, match="3 runs, and times of 2"):
        Runs(n=3, whole=None, operators=(one,))
    with pytest.raises(ValueError, match="2 runs, and times of 1"):
        Runs(n=2, whole=(1,), operators=(one,))


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int64", "int8", "uint8", "bool"])
def test_inputs_are_random_the_same_each_time_and_safe_as_indices(dtype: str) -> None:
    values = random_values(dtype, (64, 3), 1)
    assert values.dtype == np.dtype(dtype) and values.shape == (64, 3)
    assert np.array_equal(values, random_values(dtype, (64, 3), 1))
    assert not np.array_equal(values, random_values(dtype, (64, 3), 2))
    if values.dtype.kind != "f":
        assert set(np.unique(values).tolist()) == {0, 1}
    assert random_values(dtype, (), 0).shape == ()


@pytest.mark.parametrize("dtype", ["complex64", "str", "tensor(string)"])
def test_what_cannot_be_made_is_refused(dtype: str) -> None:
    with pytest.raises(RunnerError, match=r"input 3 is .* cannot be made"):
        random_values(dtype, (2,), 3)


def test_runs_are_repeated_until_there_are_enough() -> None:
    calls: list[None] = []
    repeat(lambda: calls.append(None))
    assert len(calls) == WARMUP + MOST_RUNS


def test_sizes_travel_and_nonsense_is_refused() -> None:
    assert decode_sizes(encode_sizes([(8, 3, 2), ()])) == ((8, 3, 2), ())
    for text in ("", "[[-1]]", "[8]", "{}"):
        with pytest.raises(ValueError, match="validation error"):
            decode_sizes(text)
    for line in (b"", b"{}", b'{"kind": "traced"}', b'{"kind": "timed"}'):
        with pytest.raises(ValueError, match="validation error"):
            decode(line)
