"""Speakers: splits in which nobody is heard twice. Refuses clips that one speaker alone has spoken.

A file called `<speaker>_nohash_<n>.wav`, as those of Speech Commands are, is by that speaker; any other file is taken
to be by somebody of its own. Words of a voice that was trained on are recognized better than anybody else's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from mobilekit.data.base import Labels
from mobilekit.data.sampling import held_out, permutation
from mobilekit.errors import DataError

_NAMED = re.compile(r"(?P<speaker>.+)_nohash_\d+\Z")


def speaker_of(file: str) -> str | None:
    """Who is heard in `file`, a path; None where its name does not say."""
    found = _NAMED.match(PurePosixPath(file).stem)
    return found["speaker"] if found else None


def held_out_speakers(
    files: Sequence[str], labels: Labels | None, fraction: float, seed: int, purpose: str
) -> tuple[Labels, Labels]:
    """Divide range(len(files)) into (kept, held out), each sorted, so that each speaker is on one side.

    Speakers are drawn one after the other while they add to a class of which less than `fraction` is held out; none
    takes a class's last kept file. Where no name tells a speaker it is `held_out`. Raises DataError where nobody can
    be held out.
    """
    speakers = [speaker_of(file) for file in files]
    if not any(speakers):
        return held_out(len(files), labels, fraction, seed, purpose)
    classes = np.zeros(len(files), np.int64) if labels is None else labels
    wanted = np.maximum(1, np.bincount(classes) * fraction + 0.5).astype(np.int64)
    kept, out = np.bincount(classes), np.zeros(len(wanted), np.int64)
    groups: dict[str, list[int]] = {}
    for index, (file, speaker) in enumerate(zip(files, speakers, strict=True)):
        groups.setdefault(f"speaker {speaker}" if speaker else f"file {file}", []).append(index)
    members = [groups[name] for name in sorted(groups)]
    chosen: list[int] = []
    for group in permutation(len(members), seed, purpose).tolist():
        here = np.bincount(classes[members[group]], minlength=len(wanted))
        if ((here > 0) & (out < wanted)).any() and (kept - here)[here > 0].min() > 0:
            kept, out = kept - here, out + here
            chosen += members[group]
    if not chosen:
        raise DataError(
            "no speaker can be held out for the test split without taking the last clip of a word",
            hint="record more speakers, or make train/ and test/ folders yourself",
        )
    mask = np.zeros(len(files), dtype=bool)
    mask[chosen] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def refuse_shared(name: str, train: Sequence[str], test: Sequence[str]) -> None:
    """Raise DataError where a speaker is heard in both of two splits that came as they are."""
    both = sorted({*map(speaker_of, train)} & {*map(speaker_of, test)} - {None}, key=str)
    if both:
        shown = ", ".join(map(str, both[:5])) + (", …" if len(both) > 5 else "")
        raise DataError(
            f"{name}: {len(both)} speaker(s) are heard in train and in test: {shown}",
            hint="move each speaker's files to one side; the speaker is what stands before _nohash_ in a file's name",
        )
