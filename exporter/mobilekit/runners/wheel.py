"""Wheel: ExecuTorch's own package for 64-bit Arm, fetched once by pip; its libraries and headers are what is kept.

Refuses another version than the one that is installed here: artifacts and their runtime belong together.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

from mobilekit.cache import cache_root
from mobilekit.errors import DownloadError
from mobilekit.progress import Progress
from mobilekit.runners.build import cached

_PLATFORM = "manylinux_2_28_aarch64"
_KEPT = (("executorch", "lib"), ("executorch", "include"))
_SECONDS = 900.0


def aarch64_executorch(version: str, progress: Progress) -> Path:
    """The folder `executorch` of the Arm package, in the cache. Raises DownloadError."""

    def fetch(folder: Path) -> None:
        wheel = _given(version) or _downloaded(version, folder)
        _unpack(wheel, folder)
        if wheel.parent == folder:
            wheel.unlink()

    title = "fetching ExecuTorch for Arm, 18 MB (once)"
    return cached("executorch-aarch64", [version, platform.python_version()], (), fetch, progress, title) / "executorch"


def _given(version: str) -> Path | None:
    """A package that somebody put into the cache by hand, where there is no network."""
    return next(iter(sorted(cache_root().glob(f"executorch-{version}*aarch64.whl"))), None)


def _downloaded(version: str, folder: Path) -> Path:
    python = ".".join(platform.python_version_tuple()[:2])
    wanted = ["--no-deps", "--only-binary=:all:", f"--platform={_PLATFORM}", f"--python-version={python}"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *wanted]
    spoken = f"pip download {' '.join(wanted)} executorch=={version}"
    hint = f"on a machine with a network: {spoken}, and put the file into {cache_root()}"
    try:
        done = subprocess.run(
            [*command, f"--dest={folder}", f"executorch=={version}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DownloadError(f"ExecuTorch {version} for Arm could not be fetched: {error}", hint=hint) from error
    found = next(iter(folder.glob("*.whl")), None)
    if done.returncode or found is None:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise DownloadError(
            f"ExecuTorch {version} for Arm could not be fetched: {said[-1] if said else 'pip gave nothing'}", hint=hint
        )
    return found


def _unpack(wheel: Path, folder: Path) -> None:
    """Libraries and headers only, and nothing that would land elsewhere."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                parts = PurePosixPath(name).parts
                if parts[:2] in _KEPT and ".." not in parts:
                    archive.extract(name, folder)
    except (zipfile.BadZipFile, OSError) as error:
        raise DownloadError(f"{wheel.name} cannot be unpacked: {error}", hint="remove it, and try again") from error
