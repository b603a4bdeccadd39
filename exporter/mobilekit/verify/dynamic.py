"""Verify a dynamic batch: the same samples one by one and stacked must give the same outputs.

Only the first dimension of the inputs is exercised, by stacking; other dynamic dimensions need data of other sizes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from mobilekit.bundle.manifest import Check
from mobilekit.errors import RunnerError
from mobilekit.runners import Array, Worker
from mobilekit.runners import runner as runner_called
from mobilekit.runners.arrays import Sample
from mobilekit.runners.registry import runner_for
from mobilekit.spec import DynamicDim, TensorSpec
from mobilekit.verify.compare import sqnr_check
from mobilekit.verify.metrics import distance
from mobilekit.verify.thresholds import thresholds

_ANOTHER_SIZE = 5  # odd and no power of two: a kernel's tail code runs too
_LARGEST_BYTES = 64 << 20  # of inputs; a larger batch than that is not tried


def batch_of(inputs: Sequence[TensorSpec]) -> tuple[str, DynamicDim] | None:
    """The name and bounds of the dynamic first dimension, or None when no input has one."""
    for spec in inputs:
        if spec.shape and isinstance(spec.shape[0], str):
            return spec.shape[0], spec.dynamic[spec.shape[0]]
    return None


def other_sizes(bounds: DynamicDim, bytes_of_one: int) -> tuple[int, ...]:
    """The sizes that are tried besides the smallest: one that is odd, and the largest, where memory allows it."""
    odd = min(bounds.max, max(bounds.min + 1, _ANOTHER_SIZE))
    return (odd,) if bounds.max == odd or bounds.max * bytes_of_one > _LARGEST_BYTES else (odd, bounds.max)


def verify_dynamic(
    artifact: Path,
    samples: Sequence[Sequence[Array]],
    *,
    inputs: Sequence[TensorSpec],
    scheme: str,
    runner: str | None = None,
    threads: int = 1,
    timeout_s: float = 300,
    worker: Worker | None = None,
) -> tuple[Check, ...]:
    """Run samples stacked to the smallest allowed batch and to others, up to the largest; check that they agree.

    Samples may have any batch; they are taken apart first, and repeat when there are too few. A check's value is the
    SQNR between the two. `worker` as in verify_artifact. No checks when no input has a dynamic first dimension, or
    the runtime is not on this machine. Raises RunnerError when the artifact does not take such a batch, or its outputs
    do not grow with it.
    """
    batch = batch_of(inputs)
    chosen = runner_called(runner) if runner else runner_for(artifact)
    if batch is None or chosen.unavailable() is not None:
        return ()
    name, bounds = batch
    singles = [single for sample in samples for single in _singles(sample, inputs, name)]
    limit = thresholds(scheme).dynamic_sqnr_db
    with nullcontext(worker) if worker else Worker(chosen.name, artifact, threads=threads, timeout_s=timeout_s) as used:
        return tuple(
            sqnr_check(
                f"{name}_{size}_against_{bounds.min}_sqnr_db",
                _sqnr_between(used, artifact, singles, inputs, name, bounds.min, size),
                limit,
            )
            for size in other_sizes(bounds, sum(array.nbytes for array in singles[0]))
        )


def _sqnr_between(
    worker: Worker,
    artifact: Path,
    singles: Sequence[Sample],
    inputs: Sequence[TensorSpec],
    name: str,
    least: int,
    size: int,
) -> float | None:
    """The same rows in batches of `least` and all at once, compared."""
    rows = list(itertools.islice(itertools.cycle(singles), size))
    starts = [min(start, size - least) for start in range(0, size, least)]
    groups = [_stacked(rows[start : start + least], inputs, name) for start in starts]
    small, (large,) = worker.run(groups), worker.run([_stacked(rows, inputs, name)])
    growing = _growing(artifact, small[0], large)
    singly = [[one[index] for index in growing] for one in small]
    at_once = [
        [_rows(large[index], one[index], start, least) for index in growing]
        for start, one in zip(starts, small, strict=True)
    ]
    return distance(singly, at_once).sqnr_db


def _singles(sample: Sequence[Array], inputs: Sequence[TensorSpec], name: str) -> list[Sample]:
    """The rows of a sample, each with a batch of 1; inputs without the dimension go with every row."""
    growing = [spec.shape[:1] == (name,) for spec in inputs]
    count = next(array.shape[0] for array, grows in zip(sample, growing, strict=True) if grows)
    return [
        tuple(array[row : row + 1] if grows else array for array, grows in zip(sample, growing, strict=True))
        for row in range(count)
    ]


def _stacked(rows: Sequence[Sequence[Array]], inputs: Sequence[TensorSpec], name: str) -> Sample:
    """One sample out of several: inputs that have the dimension are stacked along it, others are the first row's."""
    columns = zip(*rows, strict=True)
    return tuple(
        np.concatenate(column) if spec.shape[:1] == (name,) else column[0]
        for spec, column in zip(inputs, columns, strict=True)
    )


def _growing(artifact: Path, small: Sample, large: Sample) -> list[int]:
    """The outputs that have one row, or a fixed number of rows, per sample."""
    found = [
        index
        for index, (one, other) in enumerate(zip(small, large, strict=True))
        if one.ndim and other.ndim and one.shape[0] < other.shape[0]
    ]
    if not found:
        shapes = [(list(one.shape), list(other.shape)) for one, other in zip(small, large, strict=True)]
        raise RunnerError(f"{artifact.name}: no output grows with the batch; shapes small and large: {shapes}")
    return found


def _rows(large: Array, small: Array, start: int, size: int) -> Array:
    """The rows of `large` for the `size` samples from `start` on, `small` being the output of as many samples."""
    per_sample = small.shape[0] // size
    return large[start * per_sample : (start + size) * per_sample]
