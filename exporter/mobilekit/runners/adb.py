"""Adb: the C++ runner on a connected Android device, driven over `adb shell`. Nothing is installed on the device.

The program is the one that arm64 runs: compiled for Arm Linux, and brought along with its C library, whose loader
starts it from a folder in /data/local/tmp. So no Android SDK is needed, and kernels are those of the device's cores.
Where an NDK and an ExecuTorch for Android are named, it is a program of Android's own instead (android.py).
adb_bridge.py is what drives it. `adb:SERIAL` names one of several devices.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Self

from mobilekit.errors import MissingDependency, UsageError
from mobilekit.progress import SILENT, Progress
from mobilekit.runners import arm64, build
from mobilekit.runners.android import kit
from mobilekit.runners.base import Launch
from mobilekit.runners.child import python
from mobilekit.runners.wheel import aarch64_executorch

ADB = "adb"
INSTALL = "apt install adb cmake g++-aarch64-linux-gnu (Debian, Ubuntu)"
_SYSTEM = (arm64.LOADER, "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libgcc_s.so.1", "libstdc++.so.6")
_SERIAL = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_PATIENCE = 4.0  # pushing over USB


class AdbRunner:
    """ExecuTorch in a C++ program, on an Android device."""

    runtime = "executorch"
    suffixes: tuple[str, ...] = (".pte",)
    emulated = False
    patience = _PATIENCE

    def __init__(self, serial: str | None = None) -> None:
        self.serial = serial
        self.name = f"adb:{serial}" if serial else "adb"

    def variant(self, text: str) -> Self:
        if not _SERIAL.fullmatch(text):
            raise UsageError(f"{text!r} is not a device's serial number; `adb devices` lists them")
        return type(self)(text)

    def unavailable(self) -> str | None:
        missing = build.missing_tools("the NDK's", "") if kit() else arm64.missing_for_arm()
        if not shutil.which(ADB):
            missing.append("adb")
        return f"it needs {', '.join(missing)}: {INSTALL}" if missing else None

    def build(self, progress: Progress) -> None:
        reason = self.unavailable()
        if reason is not None:
            raise MissingDependency(f"the adb runner cannot be built: {reason}", hint="docs/runners.md")
        self._brought(progress)

    def launch(self, threads: int) -> Launch:
        return Launch(tuple(python("mobilekit.runners.adb_bridge", self.serial or "", str(self._brought(SILENT)))), {})

    def _brought(self, progress: Progress) -> Path:
        """The folder that goes to the device: the program and the libraries that it needs."""
        own = kit()
        files = [own.program(progress), *own.libraries()] if own else _linux_program(progress)

        def fill(folder: Path) -> None:
            for one in files:
                shutil.copy(one, folder / one.name)

        return build.cached("device", [str(one) for one in files], files, fill, progress, "packing for the device")


def _linux_program(progress: Progress) -> list[Path]:
    program = arm64.arm_program(progress)
    package = aarch64_executorch(build.executorch_version(), progress)
    files = [program, *sorted((package / "lib").glob("libexecutorch*.so"))]
    files = [one for one in files if "openvino" not in one.name]
    return files + [arm64.LIBRARIES / "lib" / name for name in _SYSTEM]
