"""Subset: which samples of a split are used, fixed by a seed and recorded by a hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from mobilekit.data.base import Labels, Split
from mobilekit.data.sampling import balanced, permutation
from mobilekit.errors import UsageError


@dataclass(frozen=True, eq=False)
class Subset:
    """Samples of `split` in a fixed order. `sha256` is over the indices in decimal, one to a line."""

    split: Split
    indices: tuple[int, ...]
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        text = "".join(f"{index}\n" for index in self.indices)
        object.__setattr__(self, "sha256", hashlib.sha256(text.encode()).hexdigest())

    def __len__(self) -> int:
        return len(self.indices)

    def labels(self) -> Labels | None:
        """int64 (N,) in the subset's order; None when the split is unlabelled."""
        labels = self.split.labels_of()
        return None if labels is None else labels[list(self.indices)]


def subset(split: Split, n: int | None, *, seed: int, stratified: bool = True) -> Subset:
    """Draw `n` samples of `split`, the same ones for the same seed; None, or more than there are, takes all.

    Labelled and stratified: classes take turns, so that any first k samples are balanced too. Raises UsageError
    for n < 1.
    """
    if n is not None and n < 1:
        raise UsageError(f"the number of samples must be at least 1, given {n}")
    total = len(split)
    if n is None or n >= total:
        return Subset(split, tuple(range(total)))
    labels = split.labels_of() if stratified else None
    purpose = f"subset of {split.name}"
    drawn = permutation(total, seed, purpose)[:n] if labels is None else balanced(labels, n, seed, purpose)
    return Subset(split, tuple(drawn.tolist()))
