"""Storage: telling a full disk from a fault of the model, where a library's writer hides the one in the other."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from mobilekit.errors import StorageError
from mobilekit.files import files_below, storage_errors

_LEAST_ROOM_BYTES = 1 << 20


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """For a block in which a library writes `path`: what failed for want of room or permission is a StorageError.

    Writers in C++ raise a RuntimeError that says nothing of the cause, and converters wrap what they meet. So the
    chain of causes is searched for the system's own refusal; failing that, the disk and the file size limit are asked.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        found = _refusal_among_causes(error, path) or _limit_reached(path)
        if found is None:
            raise
        raise found from error


def _refusal_among_causes(error: BaseException, path: Path) -> StorageError | None:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, StorageError):
            return cause
        if isinstance(cause, OSError):
            with contextlib.suppress(OSError):
                try:
                    with storage_errors(path):
                        raise cause
                except StorageError as found:
                    return found
        cause = cause.__cause__ or cause.__context__
    return None


def _limit_reached(path: Path) -> StorageError | None:
    """Whether the place is full now, or a file in it is as large as a file may be."""
    room = os.statvfs(path.parent)
    if room.f_bavail * room.f_frsize < _LEAST_ROOM_BYTES:
        return StorageError(
            f"{path}: no space left on the disk", hint="free some space, or choose another place with -o"
        )
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY and any(file.stat().st_size >= limit for file in files_below(path.parent)):
        return StorageError(f"{path}: the file size limit was reached", hint="raise it: ulimit -f unlimited")
    return None
