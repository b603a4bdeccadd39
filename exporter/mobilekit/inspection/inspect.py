"""Inspect: look into an artifact or a bundle. Reads, never executes, and never unpickles."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mobilekit import files
from mobilekit.bundle.contents import TensorInfo
from mobilekit.bundle.manifest import Manifest
from mobilekit.bundle.pte import read_pte
from mobilekit.bundle.store import MANIFEST_FILE, Bundle
from mobilekit.errors import BundleError, UsageError
from mobilekit.inspection.causes import fallbacks
from mobilekit.inspection.mlpackage import inspect_mlpackage
from mobilekit.inspection.onnx import inspect_onnx
from mobilekit.inspection.pt2 import inspect_pt2
from mobilekit.inspection.summary import BundledArtifact, BundleDetails, Inspection, PteDetails
from mobilekit.spec.tensor import TensorSpec


def inspect_artifact(path: str | os.PathLike[str]) -> Inspection:
    """What is inside a .pte, .onnx, .mlpackage or .pt2 file, or a bundle folder.

    Raises UsageError when there is nothing at `path` or it is of another kind, BundleError when it is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    if path.is_dir() and path.suffix != ".mlpackage":
        return inspect_bundle(path)
    reader = _READERS.get(path.suffix)
    if reader is None:
        kinds = ", ".join(_READERS)
        raise UsageError(
            f"{path}: cannot tell what this is from {path.suffix or 'its name'!r} (can read: {kinds}, bundles)"
        )
    if path.is_dir() != (path.suffix == ".mlpackage"):
        raise BundleError(f"{path}: a Core ML package is a folder, and this is a file", hint="unpack it first")
    return reader(path)


def inspect_pte(path: Path) -> Inspection:
    """Raises BundleError when the file is damaged or is not an ExecuTorch program."""
    summary = read_pte(path)
    return Inspection(
        path=str(path),
        bytes=summary.bytes,
        inputs=summary.inputs,
        outputs=summary.outputs,
        operators=summary.operators,
        weights=summary.weights,
        details=PteDetails(
            methods=summary.methods,
            backends=summary.backends,
            delegates=summary.delegates,
            calls=summary.calls,
            fallbacks=fallbacks(summary.calls, summary.backends),
            planned_memory_bytes=summary.planned_memory_bytes,
            constant_bytes=summary.constant_bytes,
        ),
    )


def inspect_bundle(path: Path) -> Inspection:
    """Raises BundleError when the folder is not a bundle, or a file in it does not match."""
    if not (path / MANIFEST_FILE).exists():
        raise BundleError(
            f"{path}: neither a bundle (it has no {MANIFEST_FILE}) nor a Core ML package (.mlpackage)",
            hint="name an artifact, or the folder that `mobilekit export -o` wrote",
        )
    manifest = Bundle.load(path).manifest
    return Inspection(
        path=str(path),
        bytes=files.size(path),
        inputs=tuple(_tensor(spec) for spec in manifest.inputs),
        outputs=tuple(_tensor(spec) for spec in manifest.outputs),
        operators=(),
        details=_details(manifest),
    )


def _details(manifest: Manifest) -> BundleDetails:
    return BundleDetails(
        model=manifest.model.name,
        schema_version=manifest.schema_version,
        created=manifest.created,
        artifacts=tuple(
            BundledArtifact(
                target=artifact.target,
                scheme=artifact.scheme,
                file=artifact.file,
                bytes=artifact.bytes,
                runtime=artifact.runtime,
                minimum_runtime=artifact.minimum_runtime,
            )
            for artifact in manifest.artifacts
        ),
        files=len({entry.file for entry in manifest.files()}),
        golden_samples=len(manifest.golden),
        warnings=manifest.warnings,
    )


def _tensor(spec: TensorSpec) -> TensorInfo:
    shape = tuple(
        dim if isinstance(dim, int) else f"{dim}={spec.dynamic[dim].min}..{spec.dynamic[dim].max}" for dim in spec.shape
    )
    return TensorInfo(name=spec.name, dtype=spec.dtype, shape=shape)


_READERS: dict[str, Callable[[Path], Inspection]] = {
    ".pte": inspect_pte,
    ".onnx": inspect_onnx,
    ".mlpackage": inspect_mlpackage,
    ".pt2": inspect_pt2,
}
