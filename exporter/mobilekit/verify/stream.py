"""Verify a stream: whole samples, piece by piece through a streaming artifact, must give what the whole form gives.

What counts is what the artifact answers for the last piece: by then it has seen the whole sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mobilekit.bundle.manifest import Check, Verification
from mobilekit.errors import RunnerError
from mobilekit.registry import lookup
from mobilekit.runners import Array, Feed, Worker
from mobilekit.runners.arrays import Sample
from mobilekit.verify.compare import compare
from mobilekit.verify.metrics import Outputs, distance
from mobilekit.verify.thresholds import Limit

STREAM_ERROR: dict[str, Limit] = {
    "fp32": Limit(1e-4, "the same sums in another order leave 1e-6 of it; a lost or mixed up state 1e-1 and more"),
    "fp16": Limit(2e-2, "a state that is rounded to 11 bits at every step; gates forget most of the error again"),
    "int8": Limit(0.5, "8 bits at the linear layers of every step; an answer that turned is judged by agreement"),
    "int8-qat": Limit(0.5, "as for int8"),
    "mixed": Limit(0.5, "as for int8"),
    "int8-dynamic": Limit(0.5, "as for int8"),
    "int8-weight-only": Limit(0.2, "the weights of every step are off by 1 in 254; what a gate lets through adds up"),
    "int4-weight-only": Limit(1.0, "4 bits at every step: an answer may turn altogether; judged by agreement"),
    "palettize-4": Limit(1.0, "as for int4-weight-only"),
    "palettize-6": Limit(0.5, "between 4 and 8 bits"),
}
"""By scheme: the largest difference of any output from the whole form's, over the largest output of the whole form."""


def verify_stream(
    worker: Worker,
    runner: str,
    samples: Sequence[Sequence[Array]],
    reference: Outputs,
    feed: Feed,
    *,
    scheme: str,
    labels: Sequence[int] | None = None,
    meaningful: bool = True,
) -> tuple[Verification, list[Sample]]:
    """Feed whole `samples` to the streaming artifact in `worker`, and hold it against `reference`, the whole form's.

    Returns what was found, and the answers of all calls: for each sample one array per output, (calls, *shape). For
    `labels` and `meaningful` see `compare`. Raises RunnerError when the runtime refuses, or sizes do not fit.
    """
    answers = worker.run(samples, feed)
    last = [last_answer(answer, feed) for answer in answers]
    found = compare(reference, last, scheme=scheme, labels=labels, meaningful=meaningful)
    checks = (*found.checks, stream_check(reference, last, scheme))
    return Verification(executed=True, runner=runner, metrics=found.metrics, checks=checks), answers


def last_answer(answer: Sample, feed: Feed) -> Sample:
    """What a sample's last call gave, without the states."""
    states = {state.output for state in feed.states}
    return tuple(output[-1] for index, output in enumerate(answer) if index not in states)


def stream_check(reference: Outputs, last: Outputs, scheme: str) -> Check:
    """The largest error over the largest output, at most the scheme's STREAM_ERROR."""
    largest = max((float(np.abs(array).max(initial=0)) for row in reference for array in row), default=0.0)
    if not np.isfinite(largest) or largest == 0:
        raise RunnerError("the whole form's outputs are all 0 or not finite: nothing to hold a stream against")
    error = distance(reference, last).max_abs_error / largest
    limit = lookup("scheme", scheme, STREAM_ERROR).value
    return Check(name="stream_error", value=error, threshold=limit, bound="at most", passed=error <= limit)
