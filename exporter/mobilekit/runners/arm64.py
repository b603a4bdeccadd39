"""Arm64: the C++ runner on 64-bit Arm: emulated by QEMU on another machine, or simply this machine where it is Arm.

What is emulated is one processor core at a time, `arm64:cortex-a53` or another: ExecuTorch's Arm libraries see that
core's name and features and choose the very kernels that they choose on such a phone. Outputs are the processor's own;
seconds and memory would be the emulator's, and are not given out. Instructions are counted by a plug-in (cpp/count.c).
"""

from __future__ import annotations

import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mobilekit.errors import MissingDependency, UnknownName, UsageError
from mobilekit.progress import SILENT, Progress
from mobilekit.runners import build
from mobilekit.runners.base import Launch
from mobilekit.runners.native import NativeRunner
from mobilekit.runners.wheel import aarch64_executorch

DEFAULT_CPU = "cortex-a76"
INSTALL = "apt install cmake gcc g++-aarch64-linux-gnu qemu-user (Debian, Ubuntu)"
COMPILER, LIBRARIES = "aarch64-linux-gnu-g++", Path("/usr/aarch64-linux-gnu")
LOADER = "ld-linux-aarch64.so.1"
_EMULATOR = "qemu-aarch64"
_PATIENCE = 40.0  # int8 MobileNetV2 took 0.34 s where a phone takes 10 to 20 ms


@dataclass(frozen=True)
class Core:
    """What QEMU is told, and what /proc/cpuinfo says on a phone with this core: who made it, and what it is."""

    qemu: str
    implementer: str
    part: str
    said: str


CPUS = {
    "cortex-a53": Core("cortex-a53", "0x41", "0xd03", "the small core of phones since 2014: NEON, no dot products"),
    "cortex-a76": Core("cortex-a76", "0x41", "0xd0b", "the large core of phones of 2019: dot products, float16"),
    # With QEMU 7.2's SME int8 came out wrong; without it, all cores agreed to the bit (resnet20).
    "max": Core("max,sme=off", "0x00", "0x051", "everything that QEMU knows: SVE, int8 matrix products, bfloat16"),
}


class Arm64Runner:
    """ExecuTorch for 64-bit Arm in a C++ program."""

    runtime = "executorch"
    suffixes: tuple[str, ...] = (".pte",)

    def __init__(self, cpu: str | None = None, *, counting: bool = False, by_operator: bool = False) -> None:
        self.emulated = counting or cpu is not None or not on_arm()
        self.cpu = (cpu or DEFAULT_CPU) if self.emulated else None
        self.name = f"arm64:{cpu}" if cpu else "arm64"
        self.patience = _PATIENCE if self.emulated else 1.0
        self._counting, self._by_operator = counting, by_operator

    def variant(self, text: str) -> Self:
        if text not in CPUS:
            raise UnknownName("cpu", text, list(CPUS))
        return type(self)(text)

    def unavailable(self) -> str | None:
        if not self.emulated:
            return NativeRunner().unavailable()
        if platform.system() != "Linux":
            return "QEMU emulates Arm programs on Linux only"
        missing = missing_for_arm()
        if not shutil.which(_EMULATOR):
            missing.append(f"QEMU ({_EMULATOR})")
        if self._counting and not shutil.which("cc"):
            missing.append("a C compiler (cc)")
        return f"it needs {', '.join(missing)}: {INSTALL}" if missing else None

    def build(self, progress: Progress) -> None:
        reason = self.unavailable()
        if reason is not None:
            raise MissingDependency(f"the arm64 runner cannot be built: {reason}", hint="docs/runners.md")
        self._launch(progress)

    def launch(self, threads: int) -> Launch:
        return self._launch(SILENT)

    def _launch(self, progress: Progress) -> Launch:
        if self.cpu is None:
            native = NativeRunner()
            native.build(progress)
            return native.launch(1)
        program = arm_program(progress)
        if self._by_operator:
            program = program.with_name(build.COUNTER)
        core = CPUS[self.cpu]
        command = [_EMULATOR, "-cpu", core.qemu, "-L", str(_phone(core, progress))]
        if self._counting:
            command += ["-plugin", str(_plugin(progress))]
        asked = ["--emulated", *(["--count"] if self._counting else [])]
        return Launch((*command, str(program), *asked), {})


def missing_for_arm() -> list[str]:
    """What compiling for Arm lacks here, in words."""
    missing = build.missing_tools(shutil.which(COMPILER), COMPILER)
    if not on_arm() and not (LIBRARIES / "lib" / LOADER).exists():
        missing.append(f"Arm's C library below {LIBRARIES}")
    return missing


def arm_program(progress: Progress) -> Path:
    """The runner, compiled for 64-bit Arm Linux. Raises SetupError."""
    version = build.executorch_version()
    options = ("-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64", "-DCOUNTER=ON")
    package = aarch64_executorch(version, progress)
    return build.runner_program("arm64", package, version, COMPILER, options, progress)


def on_arm() -> bool:
    return platform.machine() in ("aarch64", "arm64")


def counting(cpu: str, *, by_operator: bool = False) -> Arm64Runner:
    """The runner that counts instructions on this core, or with `by_operator` the one whose `profile` is of them.

    Two programs, since what reads the count around each operator is not to be counted with the whole. Raises
    UnknownName, UsageError.
    """
    if ":" in cpu:
        raise UsageError(f"{cpu!r} is not the name of a processor core")
    found = Arm64Runner().variant(cpu)
    return Arm64Runner(found.cpu, counting=True, by_operator=by_operator)


def _phone(core: Core, progress: Progress) -> Path:
    """A folder that stands for the root of a phone's file system: Arm libraries, and this core in /proc/cpuinfo.

    Without it, programs would read the description of the machine that QEMU runs on.
    """

    def fill(folder: Path) -> None:
        if LIBRARIES.exists():  # an Arm machine has them where they belong
            (folder / "lib").symlink_to(LIBRARIES / "lib")
        (folder / "proc").mkdir()
        (folder / "proc" / "cpuinfo").write_text(text)
        place = folder / "sys" / "devices" / "system" / "cpu"
        place.mkdir(parents=True)
        for name in ("possible", "present", "online"):
            (place / name).write_text("0\n")

    text = _CPUINFO.format(implementer=core.implementer, part=core.part)
    return build.cached("phone", [text, str(LIBRARIES)], (), fill, progress, "describing the phone's processor")


_CPUINFO = """processor\t: 0
BogoMIPS\t: 38.40
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid
CPU implementer\t: {implementer}
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: {part}
CPU revision\t: 0

"""


def _plugin(progress: Progress) -> Path:
    """count.c, compiled for the QEMU that is installed."""

    def compile_it(folder: Path) -> None:
        flags = ["-O2", "-shared", "-fPIC", f"-DPLUGIN_VERSION={plugin_version(said)}"]
        build.run(["cc", *flags, str(source), "-o", str(folder / "count.so")], "compile the counter")

    source, said = build.SOURCES / "count.c", build.identity(_EMULATOR)
    title = "compiling the instruction counter (once)"
    return build.cached("count", [said, build.identity("cc")], [source], compile_it, progress, title) / "count.so"


def plugin_version(said: str) -> int:
    """The plug-in interface to ask for, by what `qemu-aarch64 --version` says: QEMU 9 took version 1 away."""
    found = re.search(r"version (\d+)\.", said)
    return 2 if found and int(found[1]) >= 9 else 1
