"""Sides: a bundle's folder, or the JSON of one that was measured elsewhere, as a side of the gate."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pydantic import ValidationError

from mobilekit.bundle import Bundle
from mobilekit.bundle.manifest import Artifact, Manifest
from mobilekit.bundle.pte import planned_memory
from mobilekit.errors import BundleError
from mobilekit.gate import Figures, Side
from mobilekit.gate.figures import figures_of, figures_of_artifact
from mobilekit.report import Report
from mobilekit.report.table import REFERENCE
from mobilekit.spec.load import problems_of

_LARGEST = 64 << 20


def side_of(path: Path, name: str | None = None) -> Side:
    """The side at `path`. Raises BundleError when it is neither a whole bundle nor such a JSON file."""
    if path.is_file():
        return _side_of_report(path, name or str(path))
    bundle = Bundle.load(path)
    return side_of_bundle(bundle, bundle.manifest, name or str(path))


def side_of_bundle(bundle: Bundle, manifest: Manifest, name: str) -> Side:
    """A bundle's side, with the figures of `manifest`: its own, or those that were measured anew."""
    figures = tuple(figures_of_artifact(_with_memory(bundle, one)) for one in manifest.artifacts if one.ship)
    return Side(name, figures, manifest.test_data, bundle)


def _with_memory(bundle: Bundle, artifact: Artifact) -> Artifact:
    """Bundles of older releases do not say it; their .pte files do. One that cannot be read this way has no figure."""
    if artifact.planned_memory_bytes is None:
        with contextlib.suppress(BundleError):
            found = planned_memory(bundle.artifact_path(artifact))
            return artifact.model_copy(update={"planned_memory_bytes": found})
    return artifact


def _side_of_report(path: Path, name: str) -> Side:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST)
        report = Report.model_validate_json(data, strict=True)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        lines = "".join(f"\n  {problem}" for problem in problems_of(error, Report)[:20])
        raise BundleError(
            f"{path}: not what `mobilekit bench BUNDLE --json` prints{lines}",
            hint="name a bundle's folder, or a report.json",
        ) from error
    figures: list[Figures] = [
        figures_of(
            one.row.target,
            one.row.precision,
            size=one.bytes,
            sha256=one.sha256,
            delegation=one.delegation,
            planned_memory_bytes=one.planned_memory_bytes,
            verification=one.verification,
            benchmark=one.benchmark,
        )
        for one in report.results
        if one.row.target != REFERENCE
    ]
    return Side(name, tuple(figures), report.test_data)
