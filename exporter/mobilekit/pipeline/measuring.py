"""Verifying a bundle's artifacts: each in its own runtime and process, against the eager reference beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

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
    progress: Progress = SILENT,
) -> tuple[tuple[Artifact, ...], Outputs]:
    """The artifacts with what running them on `samples` showed, and the outputs of those that ran.

    With `stream` the artifacts hear whole samples piece by piece, eager among them, and are held against the whole
    form's program; their outputs are those of all calls, (calls, *shape).

    `judged` false (random weights or input): accuracy means nothing, so int8 is shown and not judged; float must
    still agree with eager, and a dynamic batch with single samples. `runner` runs what it takes of the artifacts, and
    their usual runners the others. Raises RunnerError.
    """
    eager = eager_of(artifacts)
    with (
        progress.task(f"running eager on {len(samples)} samples"),
        Worker(EAGER, folder / (stream.whole.file if stream else eager.file), threads=threads) as worker,
    ):
        reference = worker.run(samples)
    feed = feed_of(stream, stream.whole.inputs, eager.outputs) if stream else None
    verified, outputs = [], {(eager.target, eager.scheme): reference}
    for artifact in artifacts:
        if artifact is eager and feed is None:
            found = compare(reference, reference, scheme=artifact.scheme, labels=labels, meaningful=judged)
            verification = Verification(executed=True, runner=EAGER, metrics=found.metrics)
        else:
            with progress.task(f"verifying {artifact.target} {artifact.scheme}") as task:
                verification, answers = _verify(
                    folder, artifact, samples, reference, labels, judged, threads, feed, runner, task
                )
                if verification.executed:
                    outputs[artifact.target, artifact.scheme] = answers
                else:
                    task.say("not executed here")
        verified.append(artifact.model_copy(update={"verification": verification}))
    return tuple(verified), outputs


def _verify(
    folder: Path,
    artifact: Artifact,
    samples: Inputs,
    reference: Inputs,
    labels: Sequence[int] | None,
    judged: bool,
    threads: int,
    feed: Feed | None,
    runner: str | None,
    task: Task,
) -> tuple[Verification, list[tuple[Array, ...]]]:
    path, name = folder / artifact.file, artifact.scheme
    chosen = runner_for(path, runner)
    reason = chosen.unavailable()
    if reason is not None:
        return Verification(executed=False, reason=reason, runner=chosen.name), []
    # One process for both: starting it costs more than running a small model.
    with Worker(chosen.name, path, threads=threads) as worker:
        dynamic: tuple[Check, ...] = ()
        if feed is not None:
            found, answers = verify_stream(
                worker, chosen.name, samples, reference, feed, scheme=name, labels=labels, meaningful=judged
            )
        else:
            found, answers = verify_artifact(
                path,
                _told(samples, task),
                reference,
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
