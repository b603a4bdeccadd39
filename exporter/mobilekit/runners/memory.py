"""Peak resident memory of this process above a level taken earlier. docs/benchmarking.md says what the figure means."""

from __future__ import annotations

import gc
import re
import resource
import sys
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


class PeakMemory:
    """Takes the level when made. On Linux the kernel's peak is reset then; elsewhere only its growth shows."""

    def __init__(self) -> None:
        gc.collect()
        self._resettable = _reset_peak()
        self._level = _status_bytes("VmRSS") if self._resettable else _lifetime_peak()

    def bytes(self) -> int:
        """Peak since then, minus the level; never below 0."""
        peak = _status_bytes("VmHWM") if self._resettable else _lifetime_peak()
        return max(0, peak - self._level)


def _reset_peak() -> bool:
    """Set the kernel's high-water mark of resident memory to its present value (Linux 4.0 and later)."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def _status_bytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _lifetime_peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
