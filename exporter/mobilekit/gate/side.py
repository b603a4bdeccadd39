"""Side: a baseline or a candidate as the gate sees it: figures by variant, and the bundle, where it can be timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mobilekit.bundle import Bundle
from mobilekit.bundle.manifest import TestData
from mobilekit.errors import UsageError
from mobilekit.gate.figures import Figures

Variant = tuple[str, str]


@dataclass(frozen=True)
class Side:
    """`name` is what the user called it. `bundle` None: only figures are left of it, and nothing can be timed."""

    name: str
    figures: tuple[Figures, ...]
    samples: TestData | None
    bundle: Bundle | None = None

    def of(self, variant: Variant) -> Figures | None:
        return next((one for one in self.figures if one.variant == variant), None)


def same_samples(one: TestData | None, other: TestData | None) -> bool:
    """Whether accuracy was measured on the very same samples on both sides."""
    if one is None or other is None:
        return False
    fields = ("source", "split", "samples", "indices_sha256", "seed", "generated", "skipped")
    return all(getattr(one, name) == getattr(other, name) for name in fields)


def matched(baseline: Side, candidate: Side, only: Sequence[Variant] = ()) -> tuple[Variant, ...]:
    """The baseline's variants, of `only` where it is given, in the baseline's order.

    Raises UsageError for one of `only` that it does not have, and when the two have no variant in common at all.
    """
    have = [one.variant for one in baseline.figures]
    absent = [one for one in only if one not in have]
    if absent:
        listed = ", ".join(map(words, have)) or "none"
        raise UsageError(f"{baseline.name} has no variant {words(absent[0])} (have: {listed})")
    chosen = tuple(one for one in have if not only or one in only)
    if not any(candidate.of(one) for one in chosen):
        theirs = ", ".join(words(one.variant) for one in candidate.figures) or "none"
        raise UsageError(
            f"{baseline.name} and {candidate.name} have no variant in common "
            f"({', '.join(map(words, chosen)) or 'none'} and {theirs})",
            hint="export both to the same targets with the same schemes",
        )
    return chosen


def words(variant: Variant) -> str:
    """`xnnpack:int8`"""
    return ":".join(variant)
