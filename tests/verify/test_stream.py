"""The last answer counts, without the states, and is held against the whole form's by its largest error."""

from __future__ import annotations

import numpy as np
import pytest

from mobilekit.errors import RunnerError
from mobilekit.runners import FedState, Feed
from mobilekit.verify.stream import STREAM_ERROR, last_answer, stream_check

FEED = Feed(sequence=0, axis=1, frames=1, states=(FedState(output=1, shape=(1, 2), dtype="float32", initial=0),))


def test_the_last_answer_is_without_states() -> None:
    answers = (np.array([[[1.0]], [[2.0]]]), np.zeros((2, 1, 2)), np.array([[[3.0]], [[4.0]]]))
    assert [one.tolist() for one in last_answer(answers, FEED)] == [[[2.0]], [[4.0]]]


@pytest.mark.parametrize("scheme", STREAM_ERROR)
def test_the_error_is_relative_to_the_largest_output(scheme: str) -> None:
    limit = STREAM_ERROR[scheme].value
    whole = [(np.array([[8.0, -1.0]]),), (np.array([[2.0, 0.0]]),)]
    for share, passed in ((0.9, True), (1.1, False)):
        near = [(whole[0][0] + share * limit * 8,), whole[1]]
        check = stream_check(whole, near, scheme)
        assert check.value == pytest.approx(share * limit)
        assert (check.passed, check.bound, check.threshold) == (passed, "at most", limit)


def test_nothing_to_hold_it_against() -> None:
    with pytest.raises(RunnerError, match="nothing to hold a stream against"):
        stream_check([(np.zeros((1, 2)),)], [(np.zeros((1, 2)),)], "fp32")
