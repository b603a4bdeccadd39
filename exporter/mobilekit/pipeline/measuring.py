"""Verifying a bundle's artifacts: each in its own runtime and process, against the eager reference beside them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol, Self

from mobilekit.bundle.manifest import Artifact, Check, StreamEntry, Verification
from mobilekit.environment import suitable_cores
from mobilekit.errors import BundleError
from mobilekit.pipeline.streaming import feed_of
from mobilekit.progress import SILENT, Progress, Task
from mobilekit.quantize import scheme
from mobilekit.runners import Array, Feed, Worker
from mobilekit.runners.registry import runner_for
from mobilekit.spec import TensorSpec
from mobilekit.verify import compare, verify_artifact, verify_dynamic, verify_stream

EAGER, FLOAT = "eager", "fp32"
_ALWAYS_MEANT = ("nonfinite_values",)  # whatever the weights and the input are
Inputs = Sequence[tuple[Array, ...]]
Outputs = dict[tuple[str, str], list[tuple[Array, ...]]]


def threads_for(inputs: Sequence[TensorSpec], asked: int | None) -> int:
    """What was asked for, else as many threads as pay for inputs of this size."""
    return asked or suitable_cores(sum(math.prod(spec.sized()) for spec in inputs))


def eager_of(artifacts: Sequence[Artifact]) -> Artifact:
    """The reference among the artifacts. Raises BundleError when there is none."""
    for artifact in artifacts:
        if artifact.target == EAGER:
            return artifact
    raise BundleError("the bundle has no eager reference (.pt2) to hold its artifacts against", hint="export it again")


class Memory(Protocol):
    """What running an artifact showed before. Of its outputs, the first few are enough."""

    def recall(self, artifact: Artifact) -> tuple[Verification, list[tuple[Array, ...]]] | None: ...

    def keep(self, artifact: Artifact, verification: Verification, outputs: Inputs) -> None: ...


def verify_all(
    folder: Path,
    artifacts: Sequence[Artifact],
    samples: Inputs,
    *,
    labels: Sequence[int] | None,
    judged: bool,
    threads: int,
    stream: StreamEntry | None = None,
    runner: str | None = None,
    memory: Memory | None = None,
    progress: Progress = SILENT,
) -> tuple[tuple[Artifact, ...], Outputs]:
    """The artifacts with what running them on `samples` showed, and the outputs of those that ran.

    With `stream` the artifacts hear whole samples piece by piece, eager among them, and are held against the whole
    form's program; their outputs are those of all calls, (calls, *shape).

    `judged` false (random weights or input): accuracy means nothing, so int8 is shown and not judged; float must
    still agree with eager, and a dynamic batch with single samples. `runner` runs what it takes of the artifacts, and
    their usual runners the others. What `memory` knows is not found out again. Raises RunnerError.
    """
    eager = eager_of(artifacts)
    feed = feed_of(stream, stream.whole.inputs, eager.outputs) if stream else None
    verified, outputs = [], Outputs()
    with _Processes(threads) as processes:

        @cache
        def reference() -> list[tuple[Array, ...]]:
            """Eager's answers, asked for when the first artifact is to be held against them."""
            with progress.task(f"running eager on {len(samples)} samples"):
                return processes.worker(EAGER, folder / (stream.whole.file if stream else eager.file)).run(samples)

        for artifact in artifacts:
            title = f"verifying {artifact.target} {artifact.scheme}"
            recalled = memory.recall(artifact) if memory else None
            if recalled is not None:
                with progress.task(title) as task:
                    task.say("from the cache")
                verification, answers = recalled
            elif artifact is eager and feed is None:
                answers = reference()
                found = compare(answers, answers, scheme=artifact.scheme, labels=labels, meaningful=judged)
                verification = Verification(executed=True, runner=EAGER, metrics=found.metrics)
            else:
                verification, answers = _verify(
                    folder, artifact, samples, reference, labels, judged, processes, feed, runner, progress, title
                )
            if verification.executed:
                outputs[artifact.target, artifact.scheme] = answers
                if memory and recalled is None:
                    memory.keep(artifact, verification, answers)
            verified.append(artifact.model_copy(update={"verification": verification}))
    return tuple(verified), outputs


class _Processes:
    """The process that artifacts are run in: a new one for another runtime, since starting it costs more than running
    a small model."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._open = contextlib.ExitStack()
        self._runner: str | None = None
        self._worker: Worker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def worker(self, runner: str, path: Path) -> Worker:
        """A process of `runner` that has loaded `path`, and nothing else any more. Raises RunnerError."""
        if self._worker is None or self._runner != runner:
            self._open.close()
            self._worker = self._open.enter_context(Worker(runner, path, threads=self._threads))
            self._runner = runner
        else:
            self._worker.load(path)
        return self._worker


def _verify(
    folder: Path,
    artifact: Artifact,
    samples: Inputs,
    reference: Callable[[], Inputs],
    labels: Sequence[int] | None,
    judged: bool,
    processes: _Processes,
    feed: Feed | None,
    runner: str | None,
    progress: Progress,
    title: str,
) -> tuple[Verification, list[tuple[Array, ...]]]:
    path, name = folder / artifact.file, artifact.scheme
    chosen = runner_for(path, runner)
    reason = chosen.unavailable()
    if reason is not None:
        with progress.task(title) as task:
            task.say("not executed here")
        return Verification(executed=False, reason=reason, runner=chosen.name), []
    expected = reference()
    with progress.task(title) as task:
        worker = processes.worker(chosen.name, path)
        dynamic: tuple[Check, ...] = ()
        if feed is not None:
            found, answers = verify_stream(
                worker, chosen.name, samples, expected, feed, scheme=name, labels=labels, meaningful=judged
            )
        else:
            found, answers = verify_artifact(
                path,
                _told(samples, task),
                expected,
                scheme=name,
                runner=chosen.name,
                labels=labels,
                meaningful=judged,
                worker=worker,
            )
            dynamic = verify_dynamic(
                path, samples, inputs=artifact.inputs, scheme=name, runner=chosen.name, worker=worker
            )
    judged = judged or not scheme(name).quantized
    kept = [check for check in found.checks if judged or check.name in _ALWAYS_MEANT]
    return found.model_copy(update={"checks": (*kept, *dynamic)}), answers


def _told(samples: Inputs, task: Task) -> Iterator[tuple[Array, ...]]:
    """The samples as they are taken, and how many of them were."""
    for number, sample in enumerate(samples, 1):
        yield sample
        task.say(f"{number} of {len(samples)}" if number < len(samples) else "")
