"""Native: a `.pte` in ExecuTorch as an app runs it: in C++ (cpp/), without Python between the clock and the kernel."""

from __future__ import annotations

from mobilekit.errors import MissingDependency
from mobilekit.progress import SILENT, Progress
from mobilekit.runners import build
from mobilekit.runners.base import Launch


class NativeRunner:
    """ExecuTorch in a C++ program, for this machine's own processor."""

    name = "native"
    runtime = "executorch"
    suffixes: tuple[str, ...] = (".pte",)
    emulated = False
    patience = 1.0

    def unavailable(self) -> str | None:
        if build.executorch_folder() is None:
            return "no executorch package with headers and libraries is installed (pip install executorch)"
        missing = build.missing_tools(build.host_compiler(), "g++ or clang++")
        return f"it needs {' and '.join(missing)} to be compiled: {build.INSTALL}" if missing else None

    def build(self, progress: Progress) -> None:
        reason, folder, compiler = self.unavailable(), build.executorch_folder(), build.host_compiler()
        if reason is not None or folder is None or compiler is None:
            raise MissingDependency(f"the native runner cannot be built: {reason}", hint="docs/runners.md")
        self._program = build.runner_program("native", folder, build.executorch_version(), compiler, (), progress)

    def launch(self, threads: int) -> Launch:
        self.build(SILENT)
        return Launch((str(self._program),), {})
