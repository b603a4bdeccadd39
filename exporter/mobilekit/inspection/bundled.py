"""Bundled: times by operator of each artifact of a bundle, all with the same threads, at the bundle's largest shape.

What cannot be measured here is left out, with the reason; what fails is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import PurePosixPath

from mobilekit.bundle import Bundle
from mobilekit.environment import suitable_cores
from mobilekit.inspection.inspect import inspect_artifact
from mobilekit.inspection.native import TracingRunner
from mobilekit.inspection.profile import measured, unmeasurable
from mobilekit.inspection.summary import BundleDetails, Inspection
from mobilekit.progress import SILENT, Progress


@dataclass(frozen=True)
class BundleTimes:
    """Measured inspections, and why other artifacts were left out; both by file."""

    found: Mapping[str, Inspection]
    left_out: Mapping[str, str]


def measure_bundle(
    bundle: Bundle, *, threads: int | None = None, runner: TracingRunner | None = None, progress: Progress = SILENT
) -> BundleTimes:
    """A .pte runs in Python's binding, or in `runner`.

    Raises BundleError for an artifact that cannot be read, RunnerError for one that does not run.
    """
    sizes = tuple(spec.largest() for spec in bundle.manifest.inputs)
    threads = threads or suitable_cores(sum(map(prod, sizes)))
    found: dict[str, Inspection] = {}
    left_out: dict[str, str] = {}
    for artifact in bundle.manifest.artifacts:
        reason = unmeasurable(PurePosixPath(artifact.file).suffix)
        if reason is not None:
            left_out[artifact.file] = reason
            continue
        with progress.task(f"running {artifact.file} under the tracer"):
            inspection = inspect_artifact(bundle.artifact_path(artifact))
            chosen = runner if inspection.kind == "pte" else None
            found[artifact.file] = measured(inspection, threads=threads, sizes=sizes, runner=chosen)
    return BundleTimes(found, left_out)


def with_times(found: Inspection, times: BundleTimes) -> Inspection:
    """The inspection of a bundle with the profiles of its artifacts."""
    details = found.details
    assert isinstance(details, BundleDetails)
    artifacts = tuple(
        one.model_copy(
            update={
                "profile": times.found[one.file].profile if one.file in times.found else None,
                "not_measured": times.left_out.get(one.file),
            }
        )
        for one in details.artifacts
    )
    return found.model_copy(update={"details": details.model_copy(update={"artifacts": artifacts})})
