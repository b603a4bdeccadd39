"""Noise: what the machine did while something was timed. Reads counters of the system; changes nothing.

Steal is the share of time in which a virtual machine wanted to run and its host let others: timings of such a moment
are the host's. The clock is read where the system shows it, which virtual machines often do not.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
CLOCKS = Path("/sys/devices/system/cpu")
MOST_STEAL = 0.02
"""Above this share of stolen time a run is called noisy: it is as large as the differences that one wants to see."""
MOST_CLOCK_CHANGE = 0.10
BUSY_PER_SECOND = 100
"""Preemptions per second above which latencies tell the machine's load; docs/benchmarking.md shows what that does."""


@dataclass(frozen=True)
class Noise:
    """What was seen between the start of a watch and now. None: this system does not tell."""

    steal_share: float | None
    frequency_mhz: tuple[float, float] | None


class Watch:
    """Watches from when it is made; `look()` between rounds notes the clock."""

    def __init__(self, stat: Path = STAT, clocks: Path = CLOCKS) -> None:
        self._stat, self._clocks = stat, clocks
        self._start = _ticks(stat)
        self._seen: list[float] = []
        self.look()

    def look(self) -> None:
        """Note the clock of each core."""
        self._seen += _frequencies(self._clocks)

    def noise(self) -> Noise:
        """What was seen so far."""
        now, share = _ticks(self._stat), None
        if self._start is not None and now is not None:
            stolen, total = now[0] - self._start[0], now[1] - self._start[1]
            share = min(1.0, max(0.0, stolen / total)) if total > 0 else 0.0
        return Noise(share, (min(self._seen), max(self._seen)) if self._seen else None)


def disturbances(
    preemptions_per_second: float | None, steal_share: float | None, frequency_mhz: tuple[float, float] | None
) -> list[str]:
    """What was wrong with a measurement, in words; nothing when the machine was quiet as far as it tells."""
    found = []
    if preemptions_per_second is not None and preemptions_per_second > BUSY_PER_SECOND:
        found.append("other programs took the cores away")
    if steal_share is not None and steal_share > MOST_STEAL:
        found.append(f"the host gave more than {MOST_STEAL:.0%} of the processor's time to others")
    if frequency_mhz is not None and frequency_mhz[0] < (1 - MOST_CLOCK_CHANGE) * frequency_mhz[1]:
        found.append(f"the clock changed by more than {MOST_CLOCK_CHANGE:.0%}")
    return found


def idle_ticks(stat: Path = STAT) -> dict[int, int]:
    """Ticks that each core has idled, by its number; empty where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = [line.split() for line in stat.read_text().splitlines()]
        return {int(line[0][3:]): int(line[4]) for line in lines if line and line[0][:3] == "cpu" and line[0][3:]}
    return {}


def _ticks(stat: Path) -> tuple[int, int] | None:
    """Stolen ticks and all of them, of all cores together. Guest time is in user time already."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = stat.read_text().split("\n", 1)[0].split()
        if fields[0] == "cpu":
            ticks = [int(one) for one in fields[1:9]]
            return ticks[7], sum(ticks)
    return None


def _frequencies(clocks: Path) -> list[float]:
    found = []
    for file in sorted(clocks.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")):
        with contextlib.suppress(OSError, ValueError):
            found.append(int(file.read_text()) / 1000)
    return found
