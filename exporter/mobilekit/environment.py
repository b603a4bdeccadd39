"""Environment: the machine, the versions and the commit that a number was measured with."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import mobilekit
from mobilekit.spec.base import Spec

WORTH_SHARING = 32_768
"""Values from which several threads pay: an image of 3x105x105, or 64 of 8x8 in eight channels."""
PACKAGES = (
    "torch",
    "torchvision",
    "torchao",
    "executorch",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "coremltools",
    "numpy",
    "pillow",
)


class Machine(Spec):
    """Where a figure was measured."""

    system: str
    processor: str
    architecture: str
    cores: int
    memory_bytes: int
    features: tuple[str, ...] = ()


class Environment(Spec):
    """A machine, its Python and the versions of everything that touches a number."""

    machine: Machine
    python: str
    mobilekit: str
    packages: dict[str, str]


def version_of(package: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def describe() -> Environment:
    """This machine and these versions, without importing any of the packages."""
    packages = {name: version for name in PACKAGES if (version := version_of(name)) is not None}
    return Environment(
        machine=_machine(), python=platform.python_version(), mobilekit=mobilekit.__version__, packages=packages
    )


def source_commit(folder: Path) -> str | None:
    """The git commit that holds `folder`, with `+changes` when its tree differs.

    None outside a repository, and for a folder that the repository does not track: no commit vouches for that.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit or not _git(folder, "ls-files", "--", "."):
        return None
    changed = _git(folder, "status", "--porcelain", "--", ".")
    return f"{commit}+changes" if changed else commit


def _git(folder: Path, *args: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *args], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def usable_cores() -> int:
    """Cores that this process may use (its affinity, not what the machine has)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def suitable_cores(values: int) -> int:
    """How many threads pay for a network whose input has `values` numbers: one when it is small, else every core.

    Handing some thousand values to several threads costs more than computing them, and where other processes want
    the cores, each hand-over waits for them.
    """
    return 1 if values < WORTH_SHARING else usable_cores()


def available_memory_bytes() -> int:
    """Memory that can be had without taking it from others, within a container's limit. Half of all where none says."""
    meminfo = Path("/proc/meminfo")
    known = [_machine().memory_bytes // 2]
    with contextlib.suppress(OSError, ValueError, StopIteration):
        line = next(line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable:"))
        known = [int(line.split()[1]) * 1024]
    for limit, used in _CONTAINER:
        with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit ("max")
            known.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
    return max(0, min(known))


_CONTAINER = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def _machine() -> Machine:
    processor, flags = _cpu()
    known = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm", "fphp")
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=processor,
        architecture=platform.machine(),
        cores=usable_cores(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        features=tuple(name for name in known if name in flags),
    )


def _cpu() -> tuple[str, set[str]]:
    """Processor name and feature flags: /proc/cpuinfo on Linux, sysctl on macOS."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        pairs = [line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line]
        fields = {key.strip(): value.strip() for key, value in pairs}
        return fields.get("model name", platform.processor() or "unknown"), set(
            fields.get("flags", fields.get("Features", "")).split()
        )
    try:
        done = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return platform.processor() or "unknown", set()
    return done.stdout.strip() or platform.processor() or "unknown", set()
