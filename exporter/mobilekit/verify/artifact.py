"""Verify an artifact: run it on samples in its own runtime and compare with eager. What did not run gets no tick."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path

from mobilekit.bundle.manifest import Verification
from mobilekit.runners import Array, Worker
from mobilekit.runners import runner as runner_called
from mobilekit.runners.arrays import Sample
from mobilekit.runners.registry import runner_for
from mobilekit.verify.compare import compare
from mobilekit.verify.metrics import Outputs
from mobilekit.verify.thresholds import Thresholds


def verify_artifact(
    artifact: Path,
    samples: Iterable[Sequence[Array]],
    reference: Outputs,
    *,
    scheme: str,
    runner: str | None = None,
    labels: Sequence[int] | None = None,
    meaningful: bool = True,
    limits: Thresholds | None = None,
    threads: int = 1,
    timeout_s: float = 300,
    worker: Worker | None = None,
) -> tuple[Verification, list[Sample]]:
    """Run `artifact` on `samples` (the inputs of each, batch 1) and hold it against `reference`, eager's outputs.

    Returns what was found and the artifact's outputs, one tuple per sample; these are empty when this machine has no
    runtime for it, and the Verification then says why. `runner` None: by the artifact's suffix. For `labels`,
    `meaningful` and `limits` see `compare`. `worker` is one that has `artifact` loaded already, and stays open; without
    it one is started for this. Raises RunnerError when the runtime refuses, crashes or times out.
    """
    chosen = runner_called(runner) if runner else runner_for(artifact)
    reason = chosen.unavailable()
    if reason is not None:
        return Verification(executed=False, reason=reason, runner=chosen.name), []
    with nullcontext(worker) if worker else Worker(chosen.name, artifact, threads=threads, timeout_s=timeout_s) as used:
        outputs = used.run(samples)
    found = compare(reference, outputs, scheme=scheme, labels=labels, meaningful=meaningful, limits=limits)
    return Verification(executed=True, runner=chosen.name, metrics=found.metrics, checks=found.checks), outputs
