"""Android: the C++ runner compiled by the NDK, where ANDROID_NDK and EXECUTORCH_ANDROID name what that takes.

The Python package holds ExecuTorch for Linux only. What is linked here is an ExecuTorch that its own CMake built for
Android with shared libraries: a folder with `include` and `lib`, laid out as the package's. Source of the options:
https://developer.android.com/ndk/guides/cmake
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mobilekit.errors import SetupError
from mobilekit.progress import Progress
from mobilekit.runners import build

NDK, EXECUTORCH = "ANDROID_NDK", "EXECUTORCH_ANDROID"
ABI, PLATFORM = "arm64-v8a", "android-26"
_STL = "libc++_shared.so"


@dataclass(frozen=True)
class Kit:
    """An NDK and an ExecuTorch for Android."""

    ndk: Path
    executorch: Path

    @property
    def toolchain(self) -> Path:
        return self.ndk / "build" / "cmake" / "android.toolchain.cmake"

    def program(self, progress: Progress) -> Path:
        """The compiled runner. Raises SetupError, also where a folder is not what its variable says."""
        if not self.toolchain.is_file():
            raise SetupError(f"{NDK}={self.ndk} is no NDK: there is no {self.toolchain.relative_to(self.ndk)}")
        if not (self.executorch / "include" / "executorch").is_dir() or not self.libraries():
            raise SetupError(
                f"{EXECUTORCH}={self.executorch} holds no ExecuTorch: include/executorch and lib/libexecutorch.so",
                hint="docs/runners.md says how it is built; without the two variables a Linux program is brought along",
            )
        properties = self.ndk / "source.properties"
        version = properties.read_text(errors="replace") if properties.is_file() else ""
        options = [f"-DCMAKE_TOOLCHAIN_FILE={self.toolchain}", f"-DANDROID_ABI={ABI}"]
        options += [f"-DANDROID_PLATFORM={PLATFORM}", "-DANDROID_STL=c++_shared"]
        return build.runner_program("android", self.executorch, version, None, options, progress)

    def libraries(self) -> list[Path]:
        """What the program is linked against, and the NDK's C++ library where it has one."""
        found = sorted((self.executorch / "lib").glob("libexecutorch*.so"))
        shared = sorted(self.ndk.glob(f"toolchains/llvm/prebuilt/*/sysroot/usr/lib/aarch64-linux-android/{_STL}"))
        return [*found, *shared[:1]] if found else []


def kit() -> Kit | None:
    """What the two variables name; None unless both are set."""
    ndk, executorch = os.environ.get(NDK), os.environ.get(EXECUTORCH)
    return Kit(Path(ndk).expanduser(), Path(executorch).expanduser()) if ndk and executorch else None
