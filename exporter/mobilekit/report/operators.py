"""Operators: the page's bars and table of time by kind of operator, eager's first, all on one scale of microseconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mobilekit.bundle.manifest import Artifact, Manifest
from mobilekit.inspection import Inspection
from mobilekit.inspection.costs import Profile
from mobilekit.inspection.kinds import kind_names
from mobilekit.inspection.tables import evidence
from mobilekit.report.table import REFERENCE

LETTERS = {
    "convolution": "C",
    "matrix product": "M",
    "recurrent": "R",
    "activation": "A",
    "arithmetic": "+",
    "pooling and reductions": "P",
    "normalization": "N",
    "softmax": "S",
    "conversion": "Q",
    "data movement": "D",
    "hand-over to delegates": "H",
    "other": "O",
}
"""What stands on a piece of a bar, so that nobody needs to tell twelve colours apart."""
BETWEEN = "between operators"
_WIDE_ENOUGH = 4.5
"""Percent of the scale that a letter fits on, on a phone's width."""


@dataclass(frozen=True)
class Piece:
    """A part of a bar, in percent of the scale. `colour` is one of the style sheet's, None for what is between."""

    title: str
    colour: int | None
    letter: str
    percent: float
    fallback: bool = False


@dataclass(frozen=True)
class TimeBar:
    """One artifact's inference."""

    label: str
    text: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class TimeRow:
    """One kind in the table: for each artifact its microseconds, its share, and whether fallbacks are in it."""

    name: str
    colour: int | None
    letter: str
    cells: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True)
class TimeByOperator:
    """The section. `missing` are artifacts without times."""

    bars: tuple[TimeBar, ...]
    rows: tuple[TimeRow, ...]
    fallbacks: tuple[str, ...]
    evidence: tuple[str, ...]
    missing: tuple[str, ...]


def time_by_operator(manifest: Manifest, profiles: Mapping[str, Inspection]) -> TimeByOperator | None:
    """None when nothing was measured; `profiles` has the measured inspections by file."""
    ordered = sorted(manifest.artifacts, key=lambda one: one.target != REFERENCE)
    measured = [(one, found.profile) for one in ordered if (found := profiles.get(one.file)) and found.profile]
    if not measured:
        return None
    widest = max(profile.parts for _, profile in measured)
    return TimeByOperator(
        bars=tuple(
            TimeBar(_label(one), f"{_figure(profile.microseconds)} us", tuple(_pieces(profile, widest)))
            for one, profile in measured
        ),
        rows=tuple(_rows([profile for _, profile in measured])),
        fallbacks=tuple(
            f"{_label(one)} {_figure(taken)} us ({taken / profile.parts:.0%})"
            for one, profile in measured
            if (taken := sum(outside for _, outside in profile.by_kind().values()))
        ),
        evidence=evidence([profile for _, profile in measured]),
        missing=tuple(_label(one) for one in ordered if one not in [artifact for artifact, _ in measured]),
    )


def _label(artifact: Artifact) -> str:
    return f"{artifact.target} {artifact.scheme}"


def _pieces(profile: Profile, widest: float) -> Iterator[Piece]:
    sums = profile.by_kind()
    for colour, kind in enumerate(kind_names()):
        whole, outside = sums.get(kind, (0.0, 0.0))
        for microseconds, fallback in ((whole - outside, False), (outside, True)):
            if microseconds > 0:
                where = ", outside the delegates" if fallback else ""
                title = f"{kind}{where}: {_figure(microseconds)} us, {microseconds / profile.parts:.0%}"
                percent = 100 * microseconds / widest
                yield Piece(title, colour, LETTERS[kind] if percent >= _WIDE_ENOUGH else "", percent, fallback)
    if profile.between:
        title = f"{BETWEEN}: {_figure(profile.between)} us, {profile.between / profile.parts:.0%}"
        yield Piece(title, None, "", 100 * profile.between / widest)


def _rows(profiles: list[Profile]) -> Iterator[TimeRow]:
    sums = [profile.by_kind() for profile in profiles]
    for colour, kind in enumerate(kind_names()):
        if any(kind in one for one in sums):
            times = [one.get(kind) for one in sums]
            cells = tuple(_cell(profile, found) for profile, found in zip(profiles, times, strict=True))
            yield TimeRow(kind, colour, LETTERS[kind], cells)
    if any(profile.between for profile in profiles):
        cells = tuple(_cell(one, (one.between, 0.0) if one.between else None) for one in profiles)
        yield TimeRow(BETWEEN, None, "", cells)


def _cell(profile: Profile, times: tuple[float, float] | None) -> tuple[str, str, bool]:
    if times is None:
        return "-", "", False
    return _figure(times[0]), f"{times[0] / profile.parts:.0%}", times[1] > 0


def _figure(microseconds: float) -> str:
    return f"{microseconds:.0f}" if microseconds >= 100 else f"{microseconds:.1f}"
