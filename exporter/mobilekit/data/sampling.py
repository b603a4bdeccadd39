"""Sampling: permutations and splits that are the same on every machine and with every NumPy.

Built on PCG64's raw output, whose stream NumPy promises never to change (NEP 19), and on a stable sort; the methods
of numpy.random.Generator carry no such promise. `purpose` keeps draws of one seed apart: the calibration subset
tells nothing about the split it was drawn from.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt

from mobilekit.data.base import Labels

TEST_FRACTION = 0.2
Doubles = npt.NDArray[np.float64]


def bits(n: int, seed: int, purpose: str) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """`n` random 64-bit words for (`purpose`, `seed`): uint64 (n,)."""
    entropy = int.from_bytes(hashlib.sha256(f"{purpose}:{seed}".encode()).digest())
    words: np.ndarray[tuple[int], np.dtype[np.uint64]] = np.random.PCG64(entropy).random_raw(n)
    return words


def uniform(shape: tuple[int, ...], seed: int, purpose: str) -> Doubles:
    """float64 in [0, 1) of `shape`, from the 53 upper bits of each word."""
    return ((bits(math.prod(shape), seed, purpose) >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)


def normal(shape: tuple[int, ...], seed: int, purpose: str) -> Doubles:
    """Standard normal float64 of `shape` (Box and Muller, 1958)."""
    first, second = uniform((2, *shape), seed, purpose)
    drawn: Doubles = np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * np.pi * second)
    return drawn


def permutation(n: int, seed: int, purpose: str) -> Labels:
    """A random order of range(`n`): int64 (n,)."""
    return np.argsort(bits(n, seed, purpose), kind="stable").astype(np.int64)


def held_out(n: int, labels: Labels | None, fraction: float, seed: int, purpose: str) -> tuple[Labels, Labels]:
    """Divide range(`n`) into (kept, held out), each sorted; `fraction` of every class is held out.

    A class gives at least one sample and keeps at least one; a class of one sample keeps it. When no class can
    give any, or without labels, the samples are drawn regardless of class. At least one is held out and one kept
    for n >= 2.
    """
    order = permutation(n, seed, purpose)
    chosen: list[int] = []
    if labels is not None:
        for label in np.unique(labels):
            members = order[labels[order] == label]
            chosen += members[: _share(len(members), fraction)].tolist()
    if not chosen:
        chosen = order[: _share(n, fraction)].tolist()
    out = np.zeros(n, dtype=bool)
    out[chosen] = True
    return np.flatnonzero(~out), np.flatnonzero(out)


def balanced(labels: Labels, n: int, seed: int, purpose: str) -> Labels:
    """`n` indices with every class as often as any other while it lasts, drawn class by class in turn."""
    order = permutation(len(labels), seed, purpose)
    shuffled = labels[order]
    turn = np.empty(len(labels), dtype=np.int64)  # how many of its class come before each sample
    for label in np.unique(labels):
        where = np.flatnonzero(shuffled == label)
        turn[where] = np.arange(len(where))
    return order[np.argsort(turn, kind="stable")][:n]


def _share(n: int, fraction: float) -> int:
    if n < 2:
        return 0
    return min(max(1, int(n * fraction + 0.5)), n - 1)
