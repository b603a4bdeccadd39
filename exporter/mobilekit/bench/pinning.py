"""Pinning: holding a worker's threads to cores. Only where the system can (Linux), and only when that leaves a choice.

All that are timed in turns share the same cores: they never run at once, and what those cores are busy with besides
is then the same for all.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from mobilekit.bench.noise import idle_ticks
from mobilekit.environment import usable_cores

_LOOK_SECONDS = 0.3
_PROCESSES = Path("/proc")


def quiet_cores(threads: int) -> tuple[int, ...] | None:
    """The `threads` cores that idle most at this moment; None where that leaves no choice, or nothing can be pinned."""
    if not hasattr(os, "sched_setaffinity") or threads >= usable_cores():
        return None
    before = idle_ticks()
    time.sleep(_LOOK_SECONDS)
    now = idle_ticks()
    return idlest(sorted(os.sched_getaffinity(0)), before, now, threads)


def idlest(cores: list[int], before: dict[int, int], now: dict[int, int], count: int) -> tuple[int, ...]:
    """`count` of `cores`, those that idled longest first taken; among equals the last, since the system's own
    interrupts usually go to the first."""
    idled = {core: now.get(core, 0) - before.get(core, 0) for core in cores}
    return tuple(sorted(sorted(cores, key=lambda core: (idled[core], core), reverse=True)[:count]))


def pin(process: int, cores: tuple[int, ...]) -> bool:
    """Hold all threads of `process`, and of what it started, to `cores`; new ones inherit it. False: not possible."""
    done = False
    for thread in _threads(process):
        with contextlib.suppress(OSError):  # a thread may end meanwhile; a container may forbid it
            os.sched_setaffinity(thread, cores)
            done = True
    return done


def _threads(process: int) -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError):
        for task in sorted((_PROCESSES / str(process) / "task").iterdir()):
            yield int(task.name)
            with contextlib.suppress(OSError):
                for child in (task / "children").read_text().split():
                    yield from _threads(int(child))
