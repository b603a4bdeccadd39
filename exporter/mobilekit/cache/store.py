"""Store: entries on disk. An entry is a folder that appears whole, says what it is of, and is checked when it is read.

    ROOT/stages/lower-0123.../key.json    what went in, to be read by people
                              entry.json  what is in it: each file's bytes and hash
                              files/...   what came out

Two processes may work at once, and either may be killed at any moment: an entry is written beside its place and
renamed, and what is read is a copy, hashed after it was made. Whatever is damaged or half removed is no entry.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import NonNegativeInt, ValidationError

from mobilekit.cache.key import Key, canonical, digest
from mobilekit.cache.place import PLACE, cache_root, largest_bytes
from mobilekit.errors import MobilekitError, OutputExists, StorageError
from mobilekit.files import files_below, left_in, sha256, staged_folder, storage_errors, sweep_stale, write_atomically
from mobilekit.spec.base import Spec

MOST_ENTRIES = 5000
"""However small they are: all of them are looked at after an export."""
_KEY, _ENTRY, _FILES = "key.json", "entry.json", "files"
_NAME = re.compile(r"[a-z]+-[0-9a-f]{32}")


class _File(Spec):
    bytes: NonNegativeInt
    sha256: str


class _Entry(Spec):
    """entry.json. `about` is for people: another model may have the same key, and then the same result."""

    about: str
    made: str
    files: dict[str, _File]


@dataclass(frozen=True)
class Held:
    """An entry, as `mobilekit cache` shows it."""

    name: str
    path: Path
    about: str
    made: str
    bytes: int
    used: float
    """When it was last wanted, in seconds since 1970."""

    @property
    def stage(self) -> str:
        return self.name.partition("-")[0]


class Cache:
    """The results of stages below `root`. `Cache(None)` keeps nothing and finds nothing.

    A cache never stops the work: what cannot be written is told once to `complain`, and then left.
    """

    def __init__(self, root: Path | None, *, limit: int | None = None) -> None:
        self.folder = root / "stages" if root else None
        self._limit = limit
        self._wanted: set[Path] = set()
        self.complaint: str | None = None
        """Why nothing more is kept; None while all is well."""

    @classmethod
    def of_user(cls) -> Cache:
        """The user's own; none where it may hold nothing. Raises UsageError where its limit is no number."""
        limit = largest_bytes()
        return cls(cache_root() if limit else None, limit=limit)

    def take(self, key: Key, place: Path) -> bool:
        """Copy what is kept under `key` into the new folder `place`; False, and no folder, where there is nothing.

        What is damaged is removed, so that it is made again. Raises StorageError where `place` cannot be written."""
        if self.folder is None:
            return False
        entry = self.folder / digest(key)
        if not entry.is_dir():
            return False
        try:
            with storage_errors(place):
                place.mkdir(parents=True)
            if self._copied(entry, key, place):
                os.utime(entry)
                self._wanted.add(entry)
                return True
            _drop(entry)
        except FileNotFoundError:  # a file of it is missing, or somebody is removing it
            _drop(entry)
        except OSError:  # it cannot be read, which others may
            pass
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        shutil.rmtree(place, ignore_errors=True)
        return False

    def keep(self, key: Key, about: str, files: Mapping[str, Path]) -> None:
        """Keep `files` (files or folders, by the name that they get) under `key`; what is there already stays."""
        if self.folder is None or self.complaint is not None:
            return
        entry = self.folder / digest(key)
        # OutputExists: another process was quicker, with the same in it.
        with contextlib.suppress(OutputExists):
            try:
                with staged_folder(entry) as staging, storage_errors(entry):
                    for name, source in files.items():
                        _copy(source, staging / _FILES / name)
                    record = _Entry(about=about, made=_now(), files=_listed(staging / _FILES))
                    write_atomically(staging / _KEY, canonical(key))
                    write_atomically(staging / _ENTRY, record.model_dump_json(indent=2) + "\n")
                self._wanted.add(entry)
            except OutputExists:
                raise
            except (MobilekitError, OSError) as error:
                said = error.message if isinstance(error, StorageError) else str(error)
                self.complaint = f"results are not kept for the next export: {said} ({PLACE} names another place)"

    def held(self) -> list[Held]:
        """All entries, the last used first. What is no entry is left out."""
        return sorted(self._entries(), key=lambda one: (-one.used, one.name))

    def trim(self) -> None:
        """Remove what was used longest ago until the rest is within the limits; nothing that was wanted from here.

        Looks at every entry, and so is called once, when the work is done."""
        if self.folder is None or self._limit is None or not self.folder.is_dir():
            return
        self._sweep()
        held = self.held()
        total, count = sum(one.bytes for one in held), len(held)
        for one in reversed(held):
            if total <= self._limit and count <= MOST_ENTRIES:
                return
            if one.path not in self._wanted:
                _drop(one.path)
                total, count = total - one.bytes, count - 1

    def clear(self) -> int:
        """Remove all entries, and what killed writers left. Returns how many there were."""
        if self.folder is None or not self.folder.is_dir():
            return 0
        gone = 0
        with storage_errors(self.folder):
            for path in list(self.folder.iterdir()):
                if _NAME.fullmatch(path.name):
                    _drop(path)
                    gone += 1
        self._sweep()
        return gone

    def _entries(self) -> Iterator[Held]:
        if self.folder is None or not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if not _NAME.fullmatch(path.name):
                continue
            with contextlib.suppress(OSError, ValidationError):  # gone meanwhile, or damaged
                record = _Entry.model_validate_json((path / _ENTRY).read_bytes())
                total = sum(one.bytes for one in record.files.values())
                yield Held(path.name, path, record.about, record.made, total, path.stat().st_mtime)

    def _copied(self, entry: Path, key: Key, place: Path) -> bool:
        """Whether all that the entry says to hold is in `place` now."""
        try:
            record = _Entry.model_validate_json((entry / _ENTRY).read_bytes())
        except ValidationError:
            return False
        if (entry / _KEY).read_text(encoding="utf-8", errors="replace") != canonical(key):
            return False
        for name, file in record.files.items():
            target = place / name
            if not target.resolve().is_relative_to(place.resolve()):
                return False
            with storage_errors(place):
                target.parent.mkdir(parents=True, exist_ok=True)
            _copy(entry / _FILES / name, target)
            if target.stat().st_size != file.bytes or sha256(target) != file.sha256:
                return False
        return True

    def _sweep(self) -> None:
        """Remove what killed processes left: half written entries, and entries that they were removing."""
        assert self.folder is not None
        with contextlib.suppress(OSError):
            for path in list(self.folder.iterdir()):
                if path.name.startswith(".dropped-"):
                    shutil.rmtree(path, ignore_errors=True)
            for name in filter(_NAME.fullmatch, left_in(self.folder)):
                sweep_stale(self.folder / name)


def _drop(entry: Path) -> None:
    """Remove an entry at one stroke: whoever is copying from it notices, and nobody finds half of it."""
    away = entry.with_name(f".dropped-{secrets.token_hex(8)}")
    with contextlib.suppress(OSError):
        os.rename(entry, away)
        shutil.rmtree(away, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def _listed(folder: Path) -> dict[str, _File]:
    return {
        path.relative_to(folder).as_posix(): _File(bytes=path.stat().st_size, sha256=sha256(path))
        for path in files_below(folder)
    }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
