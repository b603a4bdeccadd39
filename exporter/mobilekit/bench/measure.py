"""Measure: latency, load time and peak memory of one artifact by itself; and whether a machine was too noisy for it.

docs/benchmarking.md says how each figure is taken and what it does not say.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mobilekit.bench.noise import disturbances
from mobilekit.bench.together import Entry, Protocol, measure_together
from mobilekit.bundle.manifest import Benchmark, Latency
from mobilekit.runners import Array, Effort


def measure(
    artifact: Path,
    inputs: Sequence[Array],
    *,
    runner: str | None = None,
    threads: int = 1,
    effort: Effort | None = None,
    timeout_s: float = 300,
) -> Benchmark:
    """Benchmark `artifact` on `inputs`, one sample at batch 1.

    `runner` None: by the artifact's suffix. `effort` None: 10 runs of warm-up, then 50 runs and half a second at
    least, 10 s at most. A runtime that is not on this machine gives a Benchmark with a reason and no figures.
    Raises RunnerError when the runtime refuses, crashes or times out.
    """
    protocol = Protocol(threads=threads, effort=effort or Effort(), timeout_s=timeout_s)
    (found,) = measure_together([Entry(artifact, tuple(inputs), runner)], None, protocol)
    return found


def disturbed(benchmark: Benchmark) -> bool:
    """Whether the machine was too noisy while this was timed; docs/benchmarking.md says for what, and what it does."""
    return benchmark.latency is not None and bool(disturbances_of(benchmark.latency))


def disturbances_of(latency: Latency) -> list[str]:
    """What was wrong with the machine meanwhile, in words."""
    clock = latency.frequency_mhz
    return disturbances(
        latency.preemptions_per_second, latency.steal_share, (clock.low, clock.high) if clock is not None else None
    )
