"""Caveats: what a reader must know before trusting the figures, in sentences. Loudest first."""

from __future__ import annotations

from collections.abc import Iterator

from mobilekit.bundle.manifest import Manifest
from mobilekit.report.table import NOT_EXECUTED, REFERENCE, figure

_MOST_NAMES = 10


def caveats(manifest: Manifest) -> tuple[str, ...]:
    """Failed checks, random weights or data, skipped files, what was not executed, latencies of a busy machine, and
    then the bundle's own warnings."""
    derived = tuple(_derived(manifest))
    return (*derived, *(warning for warning in manifest.warnings if warning not in derived))


def _derived(manifest: Manifest) -> Iterator[str]:
    yield from _failures(manifest)
    if not manifest.model.trained:
        yield "The weights are random (the model was not trained): no accuracy can be expected of it."
    if manifest.calibration and manifest.calibration.generated:
        yield (
            "The int8 scales were calibrated on RANDOM INPUT: they mean nothing for accuracy. "
            "Export again with --data to calibrate on real samples."
        )
    if manifest.test_data and manifest.test_data.generated:
        yield (
            "There was no test data: the artifacts were compared with eager on random input, "
            "which shows numeric parity and says nothing about accuracy."
        )
    skipped = manifest.test_data.skipped if manifest.test_data else ()
    if skipped:
        more = f" and {len(skipped) - _MOST_NAMES} more" if len(skipped) > _MOST_NAMES else ""
        count = "1 file was" if len(skipped) == 1 else f"{len(skipped)} files were"
        yield f"{count} left out of the test data, not readable: {', '.join(skipped[:_MOST_NAMES])}{more}."
    yield from _not_executed(manifest)
    yield from _disturbed(manifest)


def _failures(manifest: Manifest) -> Iterator[str]:
    for artifact in manifest.artifacts:
        for check in artifact.verification.checks if artifact.verification else ():
            if not check.passed:
                value = "no value" if check.value is None else figure(check.value)
                limit = f"{check.bound} {figure(check.threshold)}"
                yield f"{artifact.target} {artifact.scheme} FAILED {check.name}: {value}, must be {limit}."


def _not_executed(manifest: Manifest) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for artifact in manifest.artifacts:
        verification = artifact.verification
        if verification and not verification.executed and artifact.target != REFERENCE:
            by_reason.setdefault(verification.reason or "", []).append(f"{artifact.target} {artifact.scheme}")
    for reason, names in by_reason.items():
        yield f"{', '.join(names)}: {NOT_EXECUTED} ({reason})."


def _disturbed(manifest: Manifest) -> Iterator[str]:
    from mobilekit.bench import disturbances_of

    found: dict[str, list[str]] = {}
    for one in manifest.artifacts:
        for latency in (one.benchmark.latency, *one.benchmark.others) if one.benchmark else ():
            for what in disturbances_of(latency) if latency else ():
                names = found.setdefault(what, [])
                names += [name for name in (f"{one.target} {one.scheme}",) if name not in names]
    for what, names in found.items():
        yield (
            f"{', '.join(names)}: {what} while this was timed. "
            "The latencies tell the machine's load; measure again on an idle one (mobilekit bench)."
        )
