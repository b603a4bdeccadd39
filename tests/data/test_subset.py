from __future__ import annotations

import hashlib

import numpy as np
import pytest

from mobilekit.data import open_dataset, subset
from mobilekit.errors import UsageError


def test_all_of_a_split_in_its_own_order() -> None:
    test = open_dataset("digits").split("test")
    for n in (None, len(test), len(test) + 1):
        assert subset(test, n, seed=3).indices == tuple(range(len(test)))


def test_balanced_reproducible_and_recorded() -> None:
    train = open_dataset("digits").split("train")
    drawn = subset(train, 100, seed=0)
    labels = drawn.labels()
    assert labels is not None and np.bincount(labels).tolist() == [10] * 10
    assert set(labels[:10].tolist()) == set(range(10)), "any first samples are balanced too"
    assert subset(train, 100, seed=0).sha256 == drawn.sha256
    assert subset(train, 100, seed=1).sha256 != drawn.sha256
    assert drawn.sha256 == hashlib.sha256("".join(f"{i}\n" for i in drawn.indices).encode()).hexdigest()


def test_not_stratified_is_another_draw_of_the_same_size() -> None:
    train = open_dataset("digits").split("train")
    assert len(subset(train, 50, seed=0, stratified=False)) == 50
    assert subset(train, 50, seed=0, stratified=False).indices != subset(train, 50, seed=0).indices


@pytest.mark.parametrize("n", [0, -1])
def test_refuses_no_samples(n: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        subset(open_dataset("digits").split("train"), n, seed=0)
