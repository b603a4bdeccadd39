"""Write: the files of a bundle, bundle.json last. Refuses to vouch for a file that is not there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit import files
from mobilekit.bundle.manifest import ITEM_BYTES, FileEntry, GoldenTensor, Manifest
from mobilekit.bundle.store import MANIFEST_FILE, mismatch
from mobilekit.errors import BundleError, Problem, SpecError

if TYPE_CHECKING:
    import numpy as np


def utc_now() -> str:
    """The time as `Manifest.created` wants it: 2026-11-21T01:17:00Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def entry_for(folder: Path, relative: str) -> FileEntry:
    """Size and hash of the file or folder `relative` (forward slashes) of the bundle at `folder`."""
    path = folder / relative
    if not path.exists():
        raise BundleError(f"{path}: missing, so bundle.json cannot vouch for it")
    return FileEntry(file=relative, bytes=files.size(path), sha256=files.sha256(path))


def write_file(folder: Path, relative: str, content: str | bytes) -> FileEntry:
    """Write one file of the bundle, whole or not at all, and say what it is."""
    path = folder / relative
    with files.storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomically(path, content)
    return entry_for(folder, relative)


def write_labels(folder: Path, labels: Sequence[str], relative: str = "labels.txt") -> FileEntry:
    """One label per line, UTF-8, LF. Raises SpecError for a label that is not exactly one line."""
    problems = [
        Problem(f"labels[{index}]", repr(label), "must be one line of text, and not empty")
        for index, label in enumerate(labels)
        if not label.strip() or len(label.splitlines()) != 1 or label != label.splitlines()[0]
    ]
    if problems:
        raise SpecError("labels", problems)
    return write_file(folder, relative, "".join(f"{label}\n" for label in labels))


def write_tensor(folder: Path, relative: str, name: str, array: np.ndarray) -> GoldenTensor:
    """Write `array` as raw little-endian values in C order, without a header.

    Raises BundleError for a dtype that bundle.json does not know.
    """
    import numpy as np

    dtype = array.dtype.name
    if dtype not in ITEM_BYTES:
        raise BundleError(f"{relative}: a golden tensor cannot be {dtype} (can be: {', '.join(ITEM_BYTES)})")
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    entry = write_file(folder, relative, little.tobytes())
    return GoldenTensor.model_validate({**entry.model_dump(), "name": name, "dtype": dtype, "shape": array.shape})


def manifest_text(manifest: Manifest) -> str:
    """The canonical form: fields in the schema's order, two spaces, every field present, a newline at the end."""
    return manifest.model_dump_json(indent=2) + "\n"


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write bundle.json, atomically; call it last.

    Raises BundleError when a listed file is not there or differs in size.
    """
    problems = [problem for entry in manifest.files() if (problem := mismatch(folder, entry, hashes=False))]
    if problems:
        raise BundleError(f"{folder}: bundle.json was not written\n  " + "\n  ".join(problems))
    path = folder / MANIFEST_FILE
    files.write_atomically(path, manifest_text(manifest))
    return path
