"""Who is timed when: fair in order, in load and in effort, and within memory."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from mobilekit.bench.turns import affordable_rounds, block_of, groups, load_order, order_of_round
from mobilekit.runners import Effort


def test_forwards_and_backwards() -> None:
    assert [list(order_of_round(3, number)) for number in range(3)] == [[0, 1, 2], [2, 1, 0], [0, 1, 2]]


def test_over_two_rounds_none_comes_earlier_on_the_whole() -> None:
    places = [sum(list(order_of_round(5, number)).index(one) for number in (0, 1)) for one in range(5)]
    assert len(set(places)) == 1


def test_load_order_is_shuffled_by_the_seed_alone() -> None:
    orders = {tuple(load_order(4, seed=seed)) for seed in range(200)}
    assert len(orders) == math.factorial(4)
    assert load_order(9, seed=5) == load_order(9, seed=5)


@given(st.integers(1, 50), st.integers(1, 500), st.floats(0, 10))
def test_the_blocks_together_are_the_effort(rounds: int, runs: int, seconds: float) -> None:
    effort = Effort(warmup=7, min_runs=runs, min_seconds=seconds, max_runs=10_000, max_seconds=20)
    block = block_of(effort, rounds, first=False)
    assert runs <= block.min_runs * rounds < runs + rounds
    assert math.isclose(block.min_seconds * rounds, seconds, abs_tol=1e-9)
    assert block.max_runs * rounds <= 10_000
    assert (block.warmup, block_of(effort, rounds, first=True).warmup) == (1, 7)


def test_slow_models_get_fewer_rounds_but_never_too_few() -> None:
    assert affordable_rounds(10, 0.001, 10) == 10
    assert affordable_rounds(10, 1.0, 13) == 6
    assert affordable_rounds(10, 100.0, 10) == 4
    assert affordable_rounds(2, 100.0, 10) == 2


@given(st.lists(st.integers(1, 100), min_size=1, max_size=12), st.integers(0, 300), st.data())
def test_groups_hold_each_once_beside_the_reference_and_fit(sizes: list[int], room: int, data) -> None:
    reference = data.draw(st.none() | st.integers(0, len(sizes) - 1))
    made = groups(sizes, reference, room)
    others = [one for group in made for one in group if one != reference]
    assert sorted(others) == [one for one in range(len(sizes)) if one != reference]
    for group in made:
        assert (reference in group) == (reference is not None)
        alone = len(group) <= (1 if reference is None else 2)
        assert alone or sum(sizes[one] for one in group) <= room
