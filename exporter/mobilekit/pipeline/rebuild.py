"""Rebuild: a git revision becomes a bundle again, by the user's own command in a folder that holds just its files.

The checkout and its .git stay untouched: the files are taken out by `git archive` (no submodules, no Git LFS content).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mobilekit.errors import UsageError
from mobilekit.files import storage_errors
from mobilekit.progress import SILENT, Progress

PREFIX = "git:"
_OUTPUT = "{output}"
_LOG_LINES = 15


@contextlib.contextmanager
def rebuilt(revision: str, command: str, *, folder: Path | None = None, progress: Progress = SILENT) -> Iterator[Path]:
    """The bundle that `command` makes of `revision` of the repository around `folder`; gone when the block ends.

    The command is run by sh in the top folder of that revision's files, `{output}` in it replaced. Raises UsageError:
    no repository, no such revision, a command that fails or leaves no folder there.
    """
    if _OUTPUT not in command:
        raise UsageError(
            f"--build {command!r} does not say where the bundle goes",
            hint="write {output} there: --build 'mobilekit export mymodel -o {output}'",
        )
    commit = _commit(revision, folder)
    with contextlib.ExitStack() as stack:
        with storage_errors(Path(tempfile.gettempdir())):
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mobilekit-gate-")))
        source, output = place / "source", place / "bundle"
        with progress.task(f"taking out {revision} ({commit[:10]})"):
            _take_out(commit, source, folder)
        with progress.task(f"building {revision}"):
            _build(command.replace(_OUTPUT, shlex.quote(str(output))), source, revision)
        if not output.is_dir():
            raise UsageError(f"the build of {revision} left no bundle at {{output}}: {command}")
        yield output


def _commit(revision: str, folder: Path | None) -> str:
    if not revision or revision.startswith("-"):
        raise UsageError(f"{PREFIX}{revision}: name a revision after the colon, for example {PREFIX}origin/main")
    done = _git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if done.returncode != 0:
        inside = _git(folder, "rev-parse", "--git-dir").returncode == 0
        what = "no such revision in this repository" if inside else "this folder is in no git repository"
        raise UsageError(
            f"{PREFIX}{revision}: {what}", hint="in CI, fetch it first: a shallow clone has only its own commit"
        )
    return done.stdout.decode().strip()


def _take_out(commit: str, source: Path, folder: Path | None) -> None:
    top = _git(folder, "rev-parse", "--show-toplevel").stdout.decode().strip()
    packed = source.with_suffix(".tar")
    done = _git(Path(top), "archive", "--format=tar", f"--output={packed}", commit)
    if done.returncode != 0:
        raise UsageError(f"git archive {commit}: {done.stderr.decode(errors='replace').strip()}")
    source.mkdir()
    with storage_errors(source), tarfile.open(packed) as archive:
        archive.extractall(source, filter="data")
    packed.unlink()


def _build(command: str, source: Path, revision: str) -> None:
    # A session of its own, so that whatever it started ends with it.
    process = subprocess.Popen(
        ["sh", "-c", command],
        cwd=source,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode != 0:
        lines = said.decode(errors="replace").splitlines()[-_LOG_LINES:]
        tail = "".join(f"\n  {line}" for line in lines)
        raise UsageError(f"the build of {revision} ended with {process.returncode}: {command}{tail}")


def _git(folder: Path | None, *args: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *args], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError:
        raise UsageError("git is not installed, and the baseline is a git revision") from None
