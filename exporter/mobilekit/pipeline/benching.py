"""Benching a bundle's artifacts: all in turns, eager among them, at every asked number of threads and batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mobilekit.bench import Entry, Protocol, cold_start, measure_together
from mobilekit.bundle.manifest import Artifact, Benchmark
from mobilekit.errors import Problem, SpecError
from mobilekit.pipeline.measuring import eager_of
from mobilekit.progress import SILENT, Progress
from mobilekit.runners import Array, Effort, runner
from mobilekit.runners.registry import runner_for


@dataclass(frozen=True)
class BenchOptions:
    """What to take. The first of `threads` and of `batches` gives the figures of the result table.

    `batches` empty: the sample as it is. `runner` runs what it takes of the artifacts, and their usual runners the
    others. `self_check`: each artifact against a second copy of itself, too.
    """

    effort: Effort = field(default_factory=Effort)
    rounds: int = 10
    seed: int = 0
    batches: tuple[int, ...] = ()
    cold_starts: int = 0
    self_check: bool = False
    runner: str | None = None


def bench_all(
    folder: Path,
    artifacts: Sequence[Artifact],
    sample: tuple[Array, ...],
    *,
    threads: Sequence[int],
    options: BenchOptions | None = None,
    progress: Progress = SILENT,
) -> tuple[Artifact, ...]:
    """The artifacts with latency, load time and memory on `sample`, and the ratio to eager.

    Raises RunnerError, and SpecError for a batch that no artifact takes.
    """
    options = options or BenchOptions()
    eager = artifacts.index(eager_of(artifacts))
    batches: tuple[int | None, ...] = options.batches or (None,)
    settings = [(count, batch) for batch in batches for count in threads]
    _refuse_batches(artifacts, batches)
    taken: list[list[Benchmark]] = [[] for _ in artifacts]
    with progress.task("measuring latency", total=len(settings) * len(artifacts)) as task:
        for count, batch in settings:
            task.say(_words(count, batch) if len(settings) > 1 else "in turns")
            able = [index for index, one in enumerate(artifacts) if batch is None or takes_batch(one, batch)]
            inputs = sample if batch is None else batched(sample, batch)
            protocol = Protocol(
                threads=count,
                batch=batch or _batch_of(sample),
                effort=options.effort,
                rounds=options.rounds,
                seed=options.seed,
                self_check=options.self_check,
            )
            found = measure_together(
                [_entry(folder / artifacts[index].file, inputs, options) for index in able],
                able.index(eager) if eager in able else None,
                protocol,
                advance=task.advance,
            )
            for index, one in zip(able, found, strict=True):
                taken[index].append(one)
        task.say("")
    whole = [_one_of(found) for found in taken]
    if options.cold_starts:
        whole = _cold(folder, artifacts, whole, sample, threads[0], options, progress)
    return tuple(artifact.model_copy(update={"benchmark": one}) for artifact, one in zip(artifacts, whole, strict=True))


def runner_name(artifact: Path, asked: str | None) -> str:
    """`asked` where it takes such files, else the usual one for the suffix. Raises UnknownName."""
    if asked is not None and artifact.suffix in runner(asked).suffixes:
        return asked
    return runner_for(artifact).name


def _entry(artifact: Path, inputs: tuple[Array, ...], options: BenchOptions) -> Entry:
    return Entry(artifact, inputs, runner_name(artifact, options.runner))


def takes_batch(artifact: Artifact, batch: int) -> bool:
    """Whether every input's first dimension is, or may be, `batch`."""
    return all(one.shape and one.mismatch((batch, *one.sized()[1:])) is None for one in artifact.inputs)


def batched(sample: Sequence[Array], batch: int) -> tuple[Array, ...]:
    """`batch` copies of the first of the sample's rows: what they hold does not change how long they take."""
    return tuple(np.repeat(one[:1], batch, axis=0) for one in sample)


def _batch_of(sample: Sequence[Array]) -> int:
    return max(1, sample[0].shape[0]) if sample and sample[0].ndim else 1


def _refuse_batches(artifacts: Sequence[Artifact], batches: Sequence[int | None]) -> None:
    problems = [
        Problem("--batch", str(batch), f"must be a batch that an artifact takes: {_first_dims(artifacts)}")
        for batch in batches
        if batch is not None and not any(takes_batch(one, batch) for one in artifacts)
    ]
    if problems:
        raise SpecError("command line", problems, hint="export with a dynamic batch: -i NAME:batch=1..8,...")


def _first_dims(artifacts: Sequence[Artifact]) -> str:
    return ", ".join(sorted({one.inputs[0].describe() for one in artifacts if one.inputs}))


def _words(threads: int, batch: int | None) -> str:
    text = "1 thread" if threads == 1 else f"{threads} threads"
    return text if batch is None else f"{text}, batch {batch}"


def _one_of(found: Sequence[Benchmark]) -> Benchmark:
    """The first setting's benchmark, with the latencies of the others."""
    if not found:
        return Benchmark(executed=False, reason="it does not take a batch of this size")
    others = tuple(one.latency for one in found[1:] if one.latency is not None)
    return found[0].model_copy(update={"others": others})


def _cold(
    folder: Path,
    artifacts: Sequence[Artifact],
    benchmarks: Sequence[Benchmark],
    sample: tuple[Array, ...],
    threads: int,
    options: BenchOptions,
    progress: Progress,
) -> list[Benchmark]:
    found = []
    with progress.task("cold starts", total=len(artifacts)) as task:
        for artifact, benchmark in zip(artifacts, benchmarks, strict=True):
            task.say(f"{artifact.target} {artifact.scheme}")
            cold = cold_start(_entry(folder / artifact.file, sample, options), options.cold_starts, threads=threads)
            found.append(benchmark.model_copy(update={"cold": cold}))
            task.advance()
        task.say("")
    return found
