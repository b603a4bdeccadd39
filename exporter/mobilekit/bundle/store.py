"""Store: a bundle on disk. Reads bundle.json, holds every listed file against it, and refuses what does not match.

Files that bundle.json does not list are nobody's business here (.DS_Store, notes, a CI system's marker): they are
left alone and never read. Links are refused: a bundle holds plain files, so that a copy of it is whole.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

import mobilekit
from mobilekit import files
from mobilekit.bundle.manifest import SCHEMA_VERSION, Artifact, FileEntry, GoldenTensor, Manifest
from mobilekit.errors import BundleError
from mobilekit.registry import lookup
from mobilekit.spec.load import problems_of

if TYPE_CHECKING:
    import numpy as np

MANIFEST_FILE = "bundle.json"
_CLUTTER = (".DS_Store", "Thumbs.db", "desktop.ini")
_MOST_PROBLEMS_SHOWN = 20


@dataclass(frozen=True)
class Bundle:
    """A bundle folder and its manifest."""

    path: Path
    manifest: Manifest

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, check: bool = True) -> Bundle:
        """Read the bundle at `path`.

        With `check` (the default) every listed file is read and its size and SHA-256 compared; without, only
        bundle.json is read. Raises BundleError: not a folder, no bundle.json, broken JSON, another schema
        version, invalid fields (all of them at once), files missing, changed, or replaced by links.
        """
        folder = Path(path)
        bundle = cls(folder, read_manifest(folder))
        if check:
            bundle.check()
        return bundle

    def check(self) -> None:
        """Hold every listed file against its size and hash. Raises BundleError naming all that differ."""
        problems = [problem for entry in _once(self.manifest.files()) if (problem := mismatch(self.path, entry))]
        if problems:
            shown = problems[:_MOST_PROBLEMS_SHOWN]
            more = len(problems) - len(shown)
            lines = "".join(f"\n  {problem}" for problem in shown) + (f"\n  … {more} more" if more else "")
            count = "1 file does" if len(problems) == 1 else f"{len(problems)} files do"
            raise BundleError(
                f"{self.path}: {count} not match bundle.json{lines}",
                hint="copy the bundle again, or export it again; its figures hold only for the files it lists",
            )

    @property
    def shipped(self) -> tuple[Artifact, ...]:
        """The artifacts that are meant for a phone."""
        return self.manifest.shipped

    def artifact(self, target: str, scheme: str) -> Artifact:
        """The artifact of `target` in `scheme`. Raises UnknownName with those that are there."""
        by_target: dict[str, dict[str, Artifact]] = {}
        for artifact in self.manifest.artifacts:
            by_target.setdefault(artifact.target, {})[artifact.scheme] = artifact
        return lookup(f"scheme of {target}", scheme, lookup("target in this bundle", target, by_target))

    def artifact_path(self, artifact: Artifact) -> Path:
        """Where the artifact's file or folder lies."""
        return self.path / artifact.file

    def labels(self) -> tuple[str, ...] | None:
        """Names of the classes, or None when the bundle has none. Raises BundleError when they are not text."""
        if self.manifest.labels is None:
            return None
        path = self.path / self.manifest.labels.file
        try:
            text = path.read_bytes().decode("utf-8")
        except OSError as error:
            raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise BundleError(f"{path}: is not UTF-8 text") from error
        return tuple(text.removesuffix("\n").split("\n")) if text else ()

    def golden_tensor(self, entry: GoldenTensor) -> np.ndarray:
        """The tensor's values, of `entry.shape` and `entry.dtype`, in this machine's byte order."""
        import numpy as np

        path = self.path / entry.file
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
        if len(data) != entry.bytes:
            raise BundleError(f"{path}: has {len(data)} bytes, bundle.json says {entry.bytes}")
        dtype = np.dtype(entry.dtype)
        return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype).reshape(entry.shape)


def read_manifest(folder: Path) -> Manifest:
    """Read and validate bundle.json of `folder`; looks at no other file. Raises BundleError."""
    if not folder.is_dir():
        what = "is a file, not a bundle folder" if folder.exists() else "no such folder"
        raise BundleError(f"{folder}: {what}", hint="name the folder that `mobilekit export -o` wrote")
    path = folder / MANIFEST_FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BundleError(
            f"{folder}: not a bundle: it has no {MANIFEST_FILE}",
            hint="bundle.json is written last, so this folder is something else or a part of a copy",
        ) from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_manifest(data, source=str(path))


def parse_manifest(data: bytes, *, source: str = MANIFEST_FILE) -> Manifest:
    """Validate the content of a bundle.json; `source` names it in errors. Raises BundleError with all problems.

    Types are taken strictly (a number in quotes is refused), as a phone's JSON reader would.
    """
    _check_version(_json(data, source), source)
    try:
        return Manifest.model_validate_json(data, strict=True)
    except ValidationError as error:
        problems = problems_of(error, Manifest)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {problem}" for problem in problems[:_MOST_PROBLEMS_SHOWN])
        raise BundleError(
            f"{source}: {count}{lines}", hint="docs/bundle.md explains every field; export the bundle again"
        ) from error


def _json(data: bytes, source: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise BundleError(f"{source}: not valid JSON ({where})", hint="copy or export the bundle again") from error


def _check_version(raw: Any, source: str) -> None:
    if not isinstance(raw, dict):
        raise BundleError(f"{source}: must be a JSON object", hint="copy or export the bundle again")
    version = raw.get("schema_version")
    if type(version) is not int:
        given = "nothing" if version is None else repr(version)
        raise BundleError(f"{source}: schema_version must be a whole number (given: {given})")
    if version != SCHEMA_VERSION:
        cure = "pip install --upgrade mobilekit" if version > SCHEMA_VERSION else "export the model again"
        raise BundleError(
            f"{source}: written in schema version {version}; mobilekit {mobilekit.__version__} reads {SCHEMA_VERSION}",
            hint=cure,
        )


def mismatch(folder: Path, entry: FileEntry, *, hashes: bool = True) -> str | None:
    """How the file on disk differs from `entry`, in words; None when it is the same."""
    path = folder / entry.file
    link = _link_in(folder, path)
    if link is not None:
        return f"{link.relative_to(folder)}: is a link; a bundle holds plain files only"
    if not (path.is_file() or path.is_dir()):
        return f"{entry.file}: {'is neither a file nor a folder' if path.exists() else 'missing'}"
    try:
        return _content_mismatch(path, entry, hashes)
    except OSError as error:
        return f"{error.filename or entry.file}: cannot be read: {error.strerror}"


def _content_mismatch(path: Path, entry: FileEntry, hashes: bool) -> str | None:
    found = files.size(path)
    if found != entry.bytes:
        return f"{entry.file}: has {found} bytes, bundle.json says {entry.bytes}{_clutter(path)}"
    if hashes and files.sha256(path) != entry.sha256:
        return f"{entry.file}: its content has changed (another SHA-256 than in bundle.json){_clutter(path)}"
    return None


def _link_in(folder: Path, path: Path) -> Path | None:
    """The first symbolic link on the way from `folder` to `path`, or below `path`."""
    for part in [*reversed(path.relative_to(folder).parents), path.relative_to(folder)]:
        if part != Path() and (folder / part).is_symlink():
            return folder / part
    for parent, folders, names in os.walk(path):
        for name in (*folders, *names):
            if Path(parent, name).is_symlink():
                return Path(parent, name)
    return None


def _clutter(path: Path) -> str:
    if path.is_dir():
        strays = [found.name for found in files.files_below(path) if found.name in _CLUTTER]
        if strays:
            return f"; remove {strays[0]} from it"
    return ""


def _once(entries: tuple[FileEntry, ...]) -> list[FileEntry]:
    """Each file once: two golden samples may share one."""
    return list({entry.file: entry for entry in entries}.values())
