"""Files: hashing, and outputs that appear whole or not at all.

A folder is built beside its final place under a hidden name and renamed when it is complete. A killed
process leaves only that hidden folder, which the next run for the same output sweeps away: the folder
is locked while its writer lives, so a concurrent writer's is never touched.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from mobilekit.errors import OutputExists, StorageError

MADE_BY = "made by mobilekit"
"""What a single file of ours says near its beginning, so that a later one may replace it."""
_SIGN_WITHIN = 400
_LOCK = ".lock"
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}")
_LEFT = re.compile(r"\.(.+)\.(?:partial|replaced|removed)-[0-9a-f]{8}")


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file, or of a folder: the hash over its sorted relative paths and their file hashes."""
    if path.is_dir():
        listing = "".join(f"{sha256(p)}  {p.relative_to(path).as_posix()}\n" for p in files_below(path))
        return hashlib.sha256(listing.encode()).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_dir():
        return sum(p.stat().st_size for p in files_below(path))
    return path.stat().st_size


def files_below(folder: Path) -> list[Path]:
    """All regular files below `folder`, sorted by their relative POSIX path."""
    return sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.relative_to(folder).as_posix())


@contextlib.contextmanager
def storage_errors(path: Path, *, hint: str | None = None) -> Iterator[None]:
    """Turn the operating system's refusals about `path` into StorageError with a cure.

    `hint` is the cure where a place cannot be chosen with -o, of StorageErrors from within as well.
    """
    try:
        yield
    except StorageError as error:
        if hint is None:
            raise
        raise StorageError(error.message, hint=hint) from error
    except OSError as error:
        reason = _STORAGE_REASONS.get(error.errno or 0)
        if reason is None:
            raise
        what, cure = reason
        named = error.filename or path
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename2:
            named = error.filename2  # of a copy: its own disk is the full one
        raise StorageError(f"{named}: {what}", hint=hint or cure) from error


_STORAGE_REASONS = {
    errno.ENOSPC: ("no space left on the disk", "free some space, or choose another place with -o"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or choose another place with -o"),
    errno.EFBIG: ("the file size limit was reached", "raise it (ulimit -f), or choose another place with -o"),
    errno.EACCES: ("permission denied", "choose a folder that you may write to with -o"),
    errno.EPERM: ("operation not permitted", "choose a folder that you may write to with -o"),
    errno.EROFS: ("the file system is read-only", "choose a folder that you may write to with -o"),
    errno.EEXIST: ("a part of this path is a file, not a folder", "choose another place with -o"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "choose another place with -o"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter name with -o"),
}


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part."""
    data = content.encode() if isinstance(content, str) else content
    with storage_errors(path):
        name = path.parent / f".{path.name}.{secrets.token_hex(4)}"
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise


def sweep_files(folder: Path) -> None:
    """Remove what `write_atomically` left in `folder` and below when it was killed. Not while another one writes."""
    for path in [path for path in folder.rglob(".*") if _TEMPORARY.fullmatch(path.name)]:
        if path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def staged_folder(output: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield a hidden folder beside `output`; rename it to `output` when the block ends well, else remove it.

    Raises OutputExists at once when `output` is there and `force` is not set, StorageError when the place
    cannot be written. With `force` the old folder is replaced only after the new one is complete.
    """
    output = Path(os.path.abspath(output))
    refuse_existing(output, force)
    with contextlib.ExitStack() as lock:
        lock.enter_context(parents_of(output))
        # Not at the same time as another writer's: its sweep could take the folder before it is locked.
        with storage_errors(output), one_at_a_time(output.parent):
            sweep_stale(output)
            staging = _hidden_folder(output, "partial")
            lock.enter_context(_locked(staging))
        try:
            with storage_errors(output):
                yield staging
                with one_at_a_time(output.parent):
                    refuse_existing(output, force)
                    (staging / _LOCK).unlink()
                    _swap_in(staging, output)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise


@contextlib.contextmanager
def parents_of(output: Path) -> Iterator[None]:
    """Make the folders that `output` lies in; after an error those that were made, and are empty, go again."""
    made = [folder for folder in output.parents if not folder.exists()]
    with storage_errors(output):
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # what /proc says
            raise StorageError(
                f"{error.filename}: a folder cannot be made here", hint="choose another place with -o"
            ) from error
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()
        raise


def sweep_stale(output: Path) -> None:
    """Remove what killed writers of `output` left behind; folders whose writer lives are locked, and stay.

    A writer killed between moving an old output aside and moving the new one in leaves the old one under
    a `replaced` name: it is put back.
    """
    for folder in _unattended(output, "partial"):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in _unattended(output, "replaced"):
        if not output.exists() and (folder / "old").exists():
            os.rename(folder / "old", output)
        shutil.rmtree(folder, ignore_errors=True)
    for folder in output.parent.glob(f".{glob.escape(output.name)}.removed-*"):
        shutil.rmtree(folder, ignore_errors=True)


def left_in(folder: Path) -> list[str]:
    """The names of the outputs in `folder` of which a killed run may have left something there."""
    return sorted({found[1] for path in folder.glob(".*") if (found := _LEFT.fullmatch(path.name))})


def mend_stale(folder: Path) -> None:
    """`sweep_stale` of every output in `folder`, while no other writer begins there."""
    if left := left_in(folder):
        with storage_errors(folder), one_at_a_time(folder):
            for name in left:
                sweep_stale(folder / name)


def check_removable(folder: Path) -> None:
    """Raise OSError for a folder in `folder` that may not be written to: now, not when half of it is gone."""
    for parent, _, _ in os.walk(folder):
        if not os.access(parent, os.W_OK | os.X_OK):
            number = errno.EROFS if os.statvfs(parent).f_flag & os.ST_RDONLY else errno.EACCES
            raise OSError(number, os.strerror(number), parent)


def remove_at_once(folder: Path) -> None:
    """Remove a folder, which is whole or gone for whoever looks; what a kill leaves of it `sweep_stale` removes."""
    check_removable(folder)
    aside = folder.parent / f".{folder.name}.removed-{secrets.token_hex(4)}"
    with one_at_a_time(folder.parent):
        os.rename(folder, aside)
        try:
            shutil.rmtree(aside)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)  # it is gone already for whoever looks: no way back
            raise


def _unattended(output: Path, kind: str) -> Iterator[Path]:
    """Hidden folders of `kind` beside `output`, each locked while it is handed out, whose writer is gone."""
    for folder in output.parent.glob(f".{glob.escape(output.name)}.{kind}-*"):
        # OSError: another process holds the lock, or removed the folder first.
        with contextlib.suppress(OSError):
            newborn = not (folder / _LOCK).exists() and time.time() - folder.stat().st_mtime < 60
            if not newborn:
                with _locked(folder, wait=False):
                    yield folder


def refuse_existing(output: Path, force: bool) -> None:
    """Raise OutputExists when `output` is there, but for a folder that `force` allows to be replaced."""
    try:
        mode = os.lstat(output).st_mode
    except OSError:
        return  # not there; a place that cannot be written is found out when it is written to
    if not force:
        raise OutputExists(
            f"{output} exists already; nothing was written", hint="choose another place with -o, or give --force"
        )
    if not stat.S_ISDIR(mode):
        raise OutputExists(f"{output} is not a folder; --force replaces folders only", hint="remove it yourself first")


@contextlib.contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


def _hidden_folder(output: Path, kind: str) -> Path:
    """A new folder beside `output`, with the permissions that any new folder gets."""
    folder = output.parent / f".{output.name}.{kind}-{secrets.token_hex(4)}"
    folder.mkdir()
    return folder


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep other writers into `folder` waiting for the block, where its file system can lock folders."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _swap_in(staging: Path, output: Path) -> None:
    """Rename `staging` to `output`; an older `output` is moved aside first and put back if that fails."""
    if not output.exists():
        os.rename(staging, output)
        return
    retired = _hidden_folder(output, "replaced")
    with _locked(retired):
        os.rename(output, retired / "old")
        try:
            os.rename(staging, output)
        except BaseException:
            os.rename(retired / "old", output)
            raise
        finally:
            shutil.rmtree(retired, ignore_errors=True)


def check_own(path: Path, *, force: bool = False) -> None:
    """Raise OutputExists when `path` is a folder, or a file that mobilekit did not write and `force` is not set."""
    with storage_errors(path):
        if path.is_dir():
            raise OutputExists(f"{path} is a folder; nothing was written", hint="name a file")
        if force or not path.exists():
            return
        with path.open("rb") as stream:
            ours = MADE_BY.encode() in stream.read(_SIGN_WITHIN)
    if not ours:
        raise OutputExists(
            f"{path} exists already, and mobilekit did not write it; nothing was written",
            hint="choose another place, or give --force",
        )


def write_own(path: Path, content: str, *, force: bool = False) -> None:
    """Write a text file of ours, whole or not at all: over one that mobilekit wrote, never over another's.

    `content` says so near its beginning, by MADE_BY. Raises OutputExists, StorageError.
    """
    assert MADE_BY in content[:_SIGN_WITHIN]
    check_own(path, force=force)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
