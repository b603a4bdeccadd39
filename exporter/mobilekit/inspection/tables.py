"""Tables: what an inspection prints below its lines: weights, what fell outside delegates and why, and the times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mobilekit.inspection.causes import Fallback
from mobilekit.inspection.costs import Profile
from mobilekit.inspection.summary import Inspection, PteDetails, bytes_by_operator, largest, size_text

_MOST_WEIGHTS, _MOST_STEPS, _MOST_INSIDE = 8, 20, 12


@dataclass(frozen=True)
class Listing:
    """A table with a title; columns in `left` are text, the others figures. `notes` stand below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: frozenset[int]
    notes: tuple[str, ...] = ()


def listings(found: Inspection) -> Iterator[Listing]:
    """Those that have rows."""
    if found.weights:
        yield _by_operator(found)
        yield _largest(found)
    if isinstance(found.details, PteDetails) and found.profile is not None:
        yield _steps(found.details, found.profile)
        if found.profile.inside:
            yield _inside(found.details, found.profile)


def explanations(found: Inspection) -> Iterator[tuple[Fallback, str]]:
    """What fell outside delegates, and its share of the time in words; empty where it was not measured."""
    if isinstance(found.details, PteDetails):
        for one in found.details.fallbacks:
            yield one, f"{found.profile.of(one.instructions):.1%} of the time" if found.profile else ""


def _by_operator(found: Inspection) -> Listing:
    sums = bytes_by_operator(found.weights)
    total = sum(sums.values()) or 1
    rows = tuple((name, size_text(size), f"{100 * size / total:.1f}") for name, size in sums.items())
    return Listing("Bytes of weights by operator", ("operator", "bytes", "%"), rows, frozenset({0}))


def _largest(found: Inspection) -> Listing:
    rows = tuple(
        (weight.name, weight.dtype, " x ".join(map(str, weight.shape)) or "1", size_text(weight.bytes))
        for weight in largest(found.weights, _MOST_WEIGHTS)
    )
    rest = len(found.weights) - len(rows)
    notes = (f"{rest} smaller ones are in --json",) if rest > 0 else ()
    return Listing("Largest weights", ("weight", "dtype", "shape", "bytes"), rows, frozenset({0, 1, 2}), notes)


def _steps(details: PteDetails, profile: Profile) -> Listing:
    ordered = sorted(profile.steps, key=lambda step: (-step.share, step.call))
    rows = []
    for step in ordered[:_MOST_STEPS]:
        call = details.calls[step.call]
        what = call.operator or f"delegate {call.delegate} ({details.delegates[call.delegate or 0].node_count} nodes)"
        rows.append((what, str(step.call), f"{step.microseconds:.1f}", f"{100 * step.share:.1f}"))
    inside, outside = (profile.share_of(details.calls, delegates=which) for which in (True, False))
    rest = max(0.0, 1 - inside - outside)
    notes = [
        f"{inside:.1%} in delegates, {outside:.1%} in kernels outside them, {rest:.1%} between them",
        f"medians of {profile.n} traced runs after {profile.warmup}, {profile.threads} thread(s), random input of the "
        f"largest shape, {profile.microseconds:.0f} us in all; {profile.processor}, ExecuTorch {profile.executorch}",
        "tracing itself takes time: shares are meant, not latencies (mobilekit bench)",
    ]
    if len(ordered) > len(rows):
        notes.insert(0, f"{len(ordered) - len(rows)} that took less are in --json")
    return Listing("Time by call", ("call", "place", "us", "%"), tuple(rows), frozenset({0}), tuple(notes))


def _inside(details: PteDetails, profile: Profile) -> Listing:
    ordered = sorted(profile.inside, key=lambda one: -one.microseconds)[:_MOST_INSIDE]
    rows = tuple(
        (one.name, f"delegate {details.calls[one.call].delegate}", f"{one.microseconds:.1f}") for one in ordered
    )
    left = len(profile.inside) - len(rows)
    notes: tuple[str, ...] = ("the backend's own clock counts whole microseconds",)
    notes += (f"{left} that took less are in --json",) if left > 0 else ()
    return Listing("Slowest operators inside delegates", ("operator", "in", "us"), rows, frozenset({0, 1}), notes)
