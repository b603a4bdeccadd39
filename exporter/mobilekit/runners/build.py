"""Build: the C++ runner, compiled on first use and kept. Says what is missing and how to get it; never installs it.

The folder's name holds a hash of everything that decides what comes out: sources, compiler, ExecuTorch and its place.
Two processes may build at once: each in a folder of its own, and the first that is done is the one that stays.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from mobilekit.cache import cache_root
from mobilekit.environment import version_of
from mobilekit.errors import OutputExists, SetupError
from mobilekit.files import staged_folder, storage_errors
from mobilekit.progress import Progress

SOURCES = Path(__file__).parent / "cpp"
PROGRAM, COUNTER = "mobilekit_runner", "mobilekit_counter"
"""The worker; and the same whose profile counts instructions (cpp/clock.h), for a core that is emulated."""
INSTALL = "apt install cmake g++ (Debian, Ubuntu) or xcode-select --install && brew install cmake (macOS)"
_SECONDS = 600.0
_LOG_LINES = 12


def executorch_folder() -> Path | None:
    """The installed package's folder, where it holds headers and libraries. Imports nothing."""
    found = importlib.util.find_spec("executorch")
    places = found.submodule_search_locations if found else None
    for place in places or ():
        if (Path(place) / "include").is_dir() and any((Path(place) / "lib").glob("libexecutorch.*")):
            return Path(place)
    return None


def host_compiler() -> str | None:
    """The C++ compiler that CMake would take: $CXX, or the first of the usual names on the PATH."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    return next((found for name in names if (found := shutil.which(name))), None)


def missing_tools(compiler: str | None, called: str) -> list[str]:
    """What a build lacks, in words."""
    missing = [] if shutil.which("cmake") else ["CMake (cmake)"]
    return missing if compiler else [*missing, f"a C++ compiler ({called})"]


def runner_program(
    target: str, executorch: Path, version: str, compiler: str | None, options: Sequence[str], progress: Progress
) -> Path:
    """The compiled runner for `target`, linked against the libraries in `executorch`. Raises SetupError.

    `compiler` None: `options` name a toolchain file, which chooses it. COUNTER lies beside the program where `options`
    ask for it.
    """
    chosen = [f"-DCMAKE_CXX_COMPILER={compiler}"] if compiler else []

    def build(folder: Path) -> None:
        command = ["cmake", "-S", str(SOURCES), "-B", str(folder / "build"), "-DCMAKE_BUILD_TYPE=Release"]
        run([*command, *chosen, f"-DEXECUTORCH={executorch}", *options], "configure it")
        run(["cmake", "--build", str(folder / "build")], "compile it")
        for program in (folder / "build" / name for name in (PROGRAM, COUNTER)):
            if program.exists():
                shutil.move(program, folder / program.name)
        shutil.rmtree(folder / "build")

    sources = sorted(one for one in SOURCES.iterdir() if one.suffix in (".cpp", ".h", ".txt"))
    decides = [target, version, str(executorch), identity(compiler) if compiler else "", *options]
    return cached(f"runner-{target}", decides, sources, build, progress, "compiling the C++ runner (once)") / PROGRAM


def cached(
    name: str,
    decides: Sequence[str],
    sources: Sequence[Path],
    build: Callable[[Path], None],
    progress: Progress,
    title: str,
) -> Path:
    """The folder in the cache that `build` filled; it is called when there is none for these sources and words.

    Raises StorageError where the cache cannot be written, and what `build` raises.
    """
    digest = hashlib.sha256("\0".join(decides).encode())
    for source in sources:
        digest.update(source.read_bytes())
    folder = cache_root() / f"{name}-{digest.hexdigest()[:16]}"
    if not folder.is_dir():
        cure = "export MOBILEKIT_CACHE=FOLDER that you may write to"
        # OutputExists: another process was quicker, with the same in it
        with (
            storage_errors(folder, hint=cure),
            progress.task(title),
            contextlib.suppress(OutputExists),
            staged_folder(folder) as staging,
        ):
            build(staging)
    return folder


@functools.cache
def identity(program: str) -> str:
    """What a compiler or emulator says that it is."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
        return f"{program}\n{said}"
    return program


def run(command: Sequence[str], what: str) -> None:
    """Run a build step. Raises SetupError with the end of what it said."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"the C++ runner cannot be built: {error}", hint=INSTALL) from error
    if done.returncode:
        lines = [line.rstrip() for line in done.stdout.splitlines() if line.strip()]
        said = "".join(f"\n  {line}" for line in lines[-_LOG_LINES:])
        raise SetupError(
            f"the C++ runner cannot be built: {Path(command[0]).name} did not {what}{said}",
            hint="docs/runners.md says what it needs",
        )


def executorch_version() -> str:
    return version_of("executorch") or "unknown"
