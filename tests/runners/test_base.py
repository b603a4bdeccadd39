"""What fits an artifact's input, and how a misfit is told."""

from __future__ import annotations

import numpy as np
import pytest

from mobilekit.errors import RunnerError
from mobilekit.runners.base import Expected, check_inputs

IMAGE = Expected("image", "float32", ((1, 8), (3, 3), (0, 32), (0, None)))


def test_describe() -> None:
    assert IMAGE.describe() == "image float32 [1..8, 3, ..32, any]"


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (8, 3, 1, 500)])
def test_fits(shape: tuple[int, ...]) -> None:
    check_inputs([IMAGE], [np.zeros(shape, np.float32)])


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((9, 3, 4, 4), np.float32), "given float32 [9, 3, 4, 4]"),
        (np.zeros((0, 3, 4, 4), np.float32), "given float32 [0, 3, 4, 4]"),
        (np.zeros((1, 1, 4, 4), np.float32), "given float32 [1, 1, 4, 4]"),
        (np.zeros((1, 3, 33, 4), np.float32), "given float32 [1, 3, 33, 4]"),
        (np.zeros((3, 4, 4), np.float32), "given float32 [3, 4, 4]"),
        (np.zeros((1, 3, 4, 4)), "given float64 [1, 3, 4, 4]"),
    ],
)
def test_a_misfit_names_both(array: np.ndarray, told: str) -> None:
    with pytest.raises(RunnerError) as caught:
        check_inputs([IMAGE], [array])
    assert "expected image float32 [1..8, 3, ..32, any]" in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize("count", [0, 2])
def test_a_wrong_number_is_told(count: int) -> None:
    with pytest.raises(RunnerError, match=rf"takes 1 input\(s\) .*, given {count}"):
        check_inputs([IMAGE], [np.zeros((1, 3, 4, 4), np.float32)] * count)
