"""Measure: latency, load time and peak memory of one artifact, alone in a process of its own.

docs/benchmarking.md says how each figure is taken and what it does not say.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mobilekit.bench.stats import summarize
from mobilekit.bundle.manifest import Benchmark, Latency
from mobilekit.runners import Array, Effort, Worker
from mobilekit.runners import runner as runner_called
from mobilekit.runners.base import OwnProgram
from mobilekit.runners.registry import runner_for

BUSY_PER_SECOND = 100


def disturbed(benchmark: Benchmark) -> bool:
    """Whether other programs kept the cores busy while this was timed; see docs/benchmarking.md for what that does."""
    latency = benchmark.latency
    return latency is not None and (latency.preemptions_per_second or 0) > BUSY_PER_SECOND


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
    chosen = runner_called(runner) if runner else runner_for(artifact)
    reason = chosen.unavailable()
    if reason is None and isinstance(chosen, OwnProgram) and chosen.emulated:
        reason = "it is emulated here, and the emulator's seconds say nothing about the processor's"
    if reason is not None:
        return Benchmark(executed=False, reason=reason, runner=chosen.name)
    with Worker(chosen.name, artifact, threads=threads, timeout_s=timeout_s) as worker:
        timing = worker.time(inputs, effort)
        memory = worker.peak_memory_bytes()
        load_ms = worker.load_ms
    found = summarize(timing.nanoseconds)
    latency = Latency(
        n=found.n,
        warmup=timing.warmup,
        median_ms=found.median_ms,
        p90_ms=found.p90_ms,
        min_ms=found.min_ms,
        iqr_ms=found.iqr_ms,
        threads=threads,
        preemptions_per_second=timing.preemptions / (sum(timing.nanoseconds) / 1e9)
        if sum(timing.nanoseconds)
        else None,
    )
    return Benchmark(executed=True, runner=chosen.name, latency=latency, load_ms=load_ms, peak_memory_bytes=memory)


def compare_to_eager(eager: Benchmark, others: Sequence[Benchmark]) -> tuple[Benchmark, ...]:
    """`others` with `ratio_to_eager`, median over eager's median. What was not executed stays as it is."""
    return tuple(_with_ratio(one, eager) for one in others)


def _with_ratio(one: Benchmark, eager: Benchmark) -> Benchmark:
    if one.latency is None or eager.latency is None or eager.latency.median_ms <= 0:
        return one
    ratio = one.latency.median_ms / eager.latency.median_ms
    return one.model_copy(update={"latency": one.latency.model_copy(update={"ratio_to_eager": ratio})})
