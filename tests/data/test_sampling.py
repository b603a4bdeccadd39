"""Draws must never change: a recorded split is worth nothing otherwise."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.data.sampling import balanced, bits, held_out, permutation


def test_the_stream_is_golden() -> None:
    assert bits(2, 0, "golden").tolist() == [14057074005352300751, 2971160207486435838]
    assert permutation(10, 0, "golden").tolist() == [5, 1, 8, 6, 9, 2, 3, 7, 4, 0]


def test_seed_and_purpose_keep_draws_apart() -> None:
    base = permutation(100, 0, "a").tolist()
    assert permutation(100, 0, "a").tolist() == base
    assert permutation(100, 1, "a").tolist() != base
    assert permutation(100, 0, "b").tolist() != base


def test_the_global_generator_is_left_alone() -> None:
    before = np.random.get_state()[1].tolist()  # type: ignore[union-attr, index]
    permutation(100, 0, "a")
    assert np.random.get_state()[1].tolist() == before  # type: ignore[union-attr, index]


labels_arrays = st.lists(st.integers(0, 4), min_size=2, max_size=60).map(
    lambda values: np.array(values, dtype=np.int64)
)


@given(labels_arrays, st.floats(0.05, 0.5), st.integers(0, 2**63 - 1))
def test_held_out_divides_every_class(labels: np.ndarray, fraction: float, seed: int) -> None:
    kept, out = held_out(len(labels), labels, fraction, seed, "p")
    assert sorted([*kept.tolist(), *out.tolist()]) == list(range(len(labels)))
    assert len(kept) and len(out)
    for label in np.unique(labels):
        total, given_up = int((labels == label).sum()), int((labels[out] == label).sum())
        if len(np.unique(labels)) < len(labels):  # with one sample a class there is nothing to keep
            assert given_up < total or total == 0
        if total >= 2:
            assert 1 <= given_up <= max(1, round(total * fraction + 0.5))


def test_held_out_without_labels_and_with_one_sample_a_class() -> None:
    kept, out = held_out(10, None, 0.2, 0, "p")
    assert (len(kept), len(out)) == (8, 2)
    kept, out = held_out(5, np.arange(5), 0.2, 0, "p")
    assert (len(kept), len(out)) == (4, 1)


@given(labels_arrays, st.integers(0, 2**63 - 1), st.data())
def test_balanced_takes_classes_in_turn(labels: np.ndarray, seed: int, data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(labels)))
    chosen = balanced(labels, n, seed, "p")
    assert len(set(chosen.tolist())) == n
    totals = np.bincount(labels, minlength=5)
    counts = np.bincount(labels[chosen], minlength=5)
    for one in range(5):
        for other in range(5):  # a class is behind another only when it has no more samples
            assert counts[one] >= counts[other] - 1 or counts[one] == totals[one]
