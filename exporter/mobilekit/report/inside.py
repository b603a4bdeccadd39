"""Inside: what the page shows of each artifact file: bytes by operator, delegates, fallbacks, and times if measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mobilekit.bundle.manifest import Artifact, Manifest
from mobilekit.errors import MobilekitError
from mobilekit.inspection import Inspection, inspect_artifact
from mobilekit.inspection.causes import Fallback
from mobilekit.inspection.picture import partition_svg
from mobilekit.inspection.summary import PteDetails, bytes_by_operator, size_text
from mobilekit.report.table import REFERENCE

_MOST_PARTS, _MOST_STEPS = 6, 12


@dataclass(frozen=True)
class Part:
    """A piece of a stacked bar, or a bar of its own."""

    name: str
    percent: float
    text: str
    kernel: bool = False


@dataclass(frozen=True)
class Inside:
    """One artifact file. `trouble` says why there is nothing else."""

    label: str
    file: str
    trouble: str | None = None
    weights: tuple[Part, ...] = ()
    program: bool = False
    summary: str = ""
    fallbacks: tuple[tuple[Fallback, str], ...] = ()
    picture: str | None = None
    steps: tuple[Part, ...] = ()
    measured: str | None = None


def look_inside(folder: Path, manifest: Manifest, profiles: Mapping[str, Inspection]) -> tuple[Inside, ...]:
    """Every artifact but the eager reference; `profiles` has the measured inspections by file."""
    return tuple(_inside(folder, one, profiles.get(one.file)) for one in manifest.artifacts if one.target != REFERENCE)


def _inside(folder: Path, artifact: Artifact, measured: Inspection | None) -> Inside:
    label = f"{artifact.target} {artifact.scheme}"
    try:
        found = measured or inspect_artifact(folder / artifact.file)
    except MobilekitError as error:
        return Inside(label, artifact.file, trouble=error.message.replace(f"{folder}/", ""))
    details = found.details
    if not isinstance(details, PteDetails):
        return Inside(label, artifact.file, weights=_weights(found))
    kernels = sum(one.count for one in details.fallbacks)
    delegates = len(details.delegates)
    nodes = sum(one.node_count for one in details.delegates)
    return Inside(
        label,
        artifact.file,
        weights=_weights(found),
        program=True,
        summary=f"{delegates} delegate{'' if delegates == 1 else 's'} with {nodes} nodes, {kernels} kernel call"
        f"{'' if kernels == 1 else 's'} outside, {size_text(details.planned_memory_bytes)} planned outside delegates",
        fallbacks=tuple((one, _share(found, one)) for one in details.fallbacks),
        picture=partition_svg(found.model_copy(update={"path": artifact.file})),
        steps=_steps(found),
        measured=_evidence(found),
    )


def _share(found: Inspection, one: Fallback) -> str:
    return f"{found.profile.of(one.instructions):.1%} of the time" if found.profile else "cost not measured"


def _evidence(found: Inspection) -> str | None:
    profile = found.profile
    if profile is None:
        return None
    return (
        f"Medians of {profile.n} traced runs, {profile.threads} thread(s), {profile.processor}, "
        f"{profile.runtime}. Tracing takes time itself: shares are meant, not latencies."
    )


def _weights(found: Inspection) -> tuple[Part, ...]:
    """The largest kinds of operator, the others together."""
    sums = bytes_by_operator(found.weights)
    total = sum(sums.values())
    if not total:
        return ()
    named = list(sums.items())
    if len(named) > _MOST_PARTS:
        named = [*named[: _MOST_PARTS - 1], ("others", sum(size for _, size in named[_MOST_PARTS - 1 :]))]
    return tuple(Part(name, 100 * size / total, size_text(size)) for name, size in named)


def _steps(found: Inspection) -> tuple[Part, ...]:
    """Where the time goes: operators inside delegates where the backend tells, kernels outside, the slowest first."""
    operators = found.profile.operators[:_MOST_STEPS] if found.profile else ()
    return tuple(
        Part(one.name, 100 * one.share, f"{one.microseconds:.1f} us", one.fallback)
        for one in operators
        if one.microseconds > 0
    )
