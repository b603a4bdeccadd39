"""Tables: what an inspection prints below its lines: weights, what fell outside delegates and why, and the times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mobilekit.inspection.causes import Fallback
from mobilekit.inspection.costs import Profile
from mobilekit.inspection.kinds import kind_names
from mobilekit.inspection.summary import (
    BundledArtifact,
    BundleDetails,
    Inspection,
    PteDetails,
    bytes_by_operator,
    largest,
    size_text,
)

_MOST_WEIGHTS, _MOST_STEPS, _MOST_INSIDE, _MOST_OPERATORS = 8, 20, 12, 20
_EAGER = "eager"
_WORTH_SAYING = 0.1


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
    if found.profile is not None and found.profile.operators:
        yield _operators(found.profile)
    if isinstance(found.details, BundleDetails) and any(one.profile for one in found.details.artifacts):
        yield _kinds(found.details.artifacts)
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


def _operators(profile: Profile) -> Listing:
    shown = profile.operators[:_MOST_OPERATORS]
    rows = tuple(
        (
            f"{one.name}{' *' if one.fallback else ''}",
            one.kind,
            str(one.calls),
            f"{one.microseconds:.1f}",
            f"{100 * one.share:.1f}",
        )
        for one in shown
    )
    notes = []
    if len(profile.operators) > len(shown):
        notes.append(f"{len(profile.operators) - len(shown)} that took less are in --json")
    if any(one.fallback for one in shown):
        notes.append("* a kernel outside the delegates")
    if profile.between:
        notes.append(f"{profile.between:.1f} us ({profile.between / profile.parts:.1%}) passed between them")
    return Listing(
        "Time by operator",
        ("operator", "kind", "calls", "us", "%"),
        rows,
        frozenset({0, 1}),
        (*notes, *evidence((profile,))),
    )


def _kinds(artifacts: tuple[BundledArtifact, ...]) -> Listing:
    """A row for each kind of operator, a column for each artifact, eager first."""
    ordered = sorted(artifacts, key=lambda one: one.target != _EAGER)
    measured = [(one, one.profile) for one in ordered if one.profile is not None]
    sums = [profile.by_kind() for _, profile in measured]
    rows = [
        (kind, *(_cell(profile, *one.get(kind, (None, 0.0))) for one, (_, profile) in zip(sums, measured, strict=True)))
        for kind in kind_names()
        if any(kind in one for one in sums)
    ]
    rows.append(("between operators", *(_cell(profile, profile.between or None) for _, profile in measured)))
    rows.append(("whole inference", *(f"{profile.microseconds:.1f}       " for _, profile in measured)))
    notes = []
    outside = [
        f"{one.target} {one.scheme} {taken:.1f} us ({taken / profile.parts:.1%})"
        for one, profile in measured
        if (taken := sum(part for _, part in profile.by_kind().values()))
    ]
    if outside:
        notes.append(f"* all or a part of it in kernels outside the delegates, which take: {', '.join(outside)}")
    notes += [*evidence([profile for _, profile in measured])]
    notes += [f"{one.file}: not measured: {one.not_measured}" for one in ordered if one.not_measured]
    return Listing(
        "Time by kind of operator, in us and % of the column",
        ("kind", *(f"{one.target} {one.scheme}" for one, _ in measured)),
        tuple(rows),
        frozenset({0}),
        tuple(notes),
    )


def _cell(profile: Profile, microseconds: float | None, outside: float = 0.0) -> str:
    """`6.9  42% *`; the star is for kernels outside delegates."""
    if microseconds is None:
        return "-       "
    return f"{microseconds:.1f} {microseconds / profile.parts:>4.0%} {'*' if outside else ' '}"


def evidence(profiles: Sequence[Profile]) -> tuple[str, ...]:
    """How the figures were taken, in sentences."""
    first = profiles[0]
    runs = ", ".join(dict.fromkeys(str(one.n) for one in profiles))
    runtimes = ", ".join(dict.fromkeys(one.runtime for one in profiles))
    shapes = ", ".join(" x ".join(map(str, shape)) or "one value" for shape in first.sizes) or "the largest shape"
    lost = ", ".join(f"{one.lost:.1f}" for one in profiles if one.lost > _WORTH_SAYING * one.parts)
    disturbed = ", ".join(f"{one.parts / one.microseconds:.0%}" for one in profiles if one.disturbed)
    sentences = [
        f"medians of {runs} traced runs after {first.warmup}, {first.threads} thread(s), random input of {shapes}; "
        f"{first.processor}, {runtimes}",
        "tracing itself takes time: shares are meant, not latencies (mobilekit bench)",
    ]
    if lost:
        sentences.append(f"up to {lost} us of the hand-over are operators cut off by XNNPACK's clock (whole us)")
    if disturbed:
        sentences.append(f"disturbed: parts add up to {disturbed} of the whole; measure again on an idle machine")
    return tuple(sentences)


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
        f"{inside:.1%} in delegates, {outside:.1%} in kernels outside them, {rest:.1%} between them; "
        f"{profile.microseconds:.0f} us in all",
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
