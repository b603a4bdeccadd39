"""Turns: who is timed when. Plans only, touches no clock.

Rounds go back and forth (A B C, then C B A): a machine that gets slower bit by bit weighs on none more than on the
others, and each is as often the one that follows a given neighbour as the one that goes before it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from mobilekit.runners import Effort

LEAST_ROUNDS = 4


def order_of_round(count: int, number: int) -> range:
    """The turns of round `number` (from 0): forwards, then backwards, and so on."""
    return range(count) if number % 2 == 0 else range(count - 1, -1, -1)


def load_order(count: int, *, seed: int) -> list[int]:
    """Who is loaded first: shuffled, since what is loaded earlier may get the better place in memory."""
    order = list(range(count))
    random.Random(seed).shuffle(order)
    return order


def block_of(effort: Effort, rounds: int, *, first: bool) -> Effort:
    """One round's share of `effort`. Later blocks warm up by one call, which brings the caches back."""
    most = effort.max_seconds if first else effort.max_seconds / rounds
    return Effort(
        warmup=effort.warmup if first else min(1, effort.warmup),
        min_runs=math.ceil(effort.min_runs / rounds),
        min_seconds=effort.min_seconds / rounds,
        max_runs=max(1, effort.max_runs // rounds),
        max_seconds=most,
    )


def affordable_rounds(asked: int, slowest_s: float, max_seconds: float) -> int:
    """As many rounds as asked; fewer, and an even number, where single calls are so long that they would not fit."""
    if slowest_s <= 0 or asked <= LEAST_ROUNDS:
        return asked
    fitting = int(max_seconds / (2 * slowest_s))  # a block has one call to warm up and one that counts
    return asked if fitting >= asked else max(LEAST_ROUNDS, fitting // 2 * 2)


def groups(sizes: Sequence[int], reference: int | None, room: int) -> list[list[int]]:
    """Who is loaded at the same time, by position, so that a group's `sizes` fit into `room`.

    The reference is in every group, or the others could not be held against it. One that fits nowhere is still tried,
    alone or beside the reference.
    """
    rest = [index for index in range(len(sizes)) if index != reference]
    base = [] if reference is None else [reference]
    made: list[list[int]] = []
    for index in rest:
        if made and sum(sizes[one] for one in (*made[-1], index)) <= room:
            made[-1].append(index)
        else:
            made.append([*base, index])
    return made or [base]
