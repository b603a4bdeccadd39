"""Arrays survive the way through a file, whatever their dtype and shape; everything else is refused."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mobilekit.runners.arrays import read_samples, size_of, write_samples

DTYPES = st.sampled_from(["float32", "float16", "float64", "int64", "int32", "int8", "uint8", "bool"])
ARRAYS = DTYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)


@pytest.fixture
def file() -> Iterator[object]:
    with tempfile.TemporaryFile(buffering=0) as one:
        yield one


@given(st.integers(1, 3).flatmap(lambda n: st.lists(st.lists(ARRAYS, min_size=n, max_size=n), min_size=1, max_size=4)))
def test_round_trip(samples: list[list[np.ndarray]]) -> None:
    with tempfile.TemporaryFile(buffering=0) as file:
        write_samples(file, [[np.zeros(100)]])  # longer content before must not show through
        write_samples(file, samples)
        back = read_samples(file, len(samples), len(samples[0]))
    for before, after in zip(samples, back, strict=True):
        for one, other in zip(before, after, strict=True):
            assert one.dtype == other.dtype
            assert one.shape == other.shape
            assert one.tobytes() == other.tobytes()


def test_arrays_that_are_not_contiguous(file) -> None:
    array = np.arange(24).reshape(2, 3, 4)
    write_samples(file, [[array.transpose(2, 0, 1), array[:, ::2], np.asfortranarray(array[0])]])
    (back,) = read_samples(file, 1, 3)
    np.testing.assert_array_equal(back[0], array.transpose(2, 0, 1))
    np.testing.assert_array_equal(back[1], array[:, ::2])
    np.testing.assert_array_equal(back[2], array[0])


def test_objects_are_not_pickled(file) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        write_samples(file, [[np.array([object()])]])


@pytest.mark.parametrize("announced", [(1, 1), (1, 3), (2, 2)])
def test_a_wrong_count_is_noticed(file, announced: tuple[int, int]) -> None:
    write_samples(file, [[np.zeros(3), np.ones(3)]])
    with pytest.raises(ValueError):
        read_samples(file, *announced)


def test_size_counts_values() -> None:
    assert size_of((np.zeros((2, 3), np.float32), np.zeros(5, np.int8))) == 29
