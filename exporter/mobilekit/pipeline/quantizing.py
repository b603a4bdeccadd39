"""Quantizing: which options a calibrated scheme is made with, and what the bundle says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilekit.bundle.manifest import Artifact, Quantization
from mobilekit.capture import Captured
from mobilekit.data import Samples
from mobilekit.errors import UsageError
from mobilekit.model import ModelSource
from mobilekit.model.ranges import Ranges, load_ranges
from mobilekit.pipeline.streaming import calibration_calls, for_quantizing
from mobilekit.progress import Progress
from mobilekit.quantize import Quantized, quantize
from mobilekit.quantize.schemes import MIXED, QAT, STATIC
from mobilekit.runners import Feed
from mobilekit.spec import QuantizeSpec

if TYPE_CHECKING:
    import torch

DEFAULT_MAX_DROP = 0.5
"""Points of top-1 that scheme mixed may lose where nobody says: more is what verification takes for damage in part."""


@dataclass(frozen=True)
class Settings:
    """How one scheme is quantized; with `ranges`, those of a training for int8, nothing is measured."""

    options: QuantizeSpec
    ranges: Ranges | None = None


def default_schemes(source: ModelSource, options: QuantizeSpec | None) -> tuple[str, ...]:
    """The recipe's, but what a training for int8 made is exported as such, and a budget, here or in the recipe, asks
    for scheme mixed."""
    options, schemes = options or source.recipe.quantize, source.recipe.export.schemes
    if source.ranges is not None:
        schemes = tuple(QAT if name == STATIC else name for name in schemes)
    if (options.max_drop is not None or options.floating) and MIXED not in schemes:
        schemes = (*schemes, MIXED)
    return schemes


def settings_for(scheme: str, source: ModelSource, options: QuantizeSpec | None) -> Settings:
    """`options`, or the recipe's, as `scheme` takes them; for int8-qat those that the training was prepared with.

    Raises UsageError for int8-qat of what was not trained so."""
    options = options or source.recipe.quantize
    if scheme == MIXED and options.floating:
        return Settings(options)
    if scheme == MIXED:
        budget = DEFAULT_MAX_DROP if options.max_drop is None else options.max_drop
        return Settings(options.model_copy(update={"max_drop": budget}))
    options = options.model_copy(update={"max_drop": None, "floating": ()})
    if scheme != QAT:
        return Settings(options)
    if source.ranges is None:
        raise UsageError(
            f"{source.reference} was not trained for int8, and {QAT} is the export of such a training",
            hint="mobilekit train MODEL --qat RUN makes one; int8 quantizes after training",
        )
    ranges = load_ranges(source.ranges)
    return Settings(ranges.options, ranges)


def batches_of(samples: Samples) -> Iterator[tuple[torch.Tensor, ...]]:
    """The samples one by one, as a program takes them."""
    import torch

    return (tuple(map(torch.from_numpy, samples.one(index))) for index in range(len(samples)))


def calibrated(
    captured: Captured, samples: Samples, settings: Settings, *, feed: Feed | None = None, progress: Progress
) -> Quantized:
    """`captured` in int8 by `settings`, calibrated on `samples`, which `feed` cuts up for a stream.

    Raises QuantizeError.
    """
    return quantize(
        for_quantizing(captured),
        calibration_calls(captured, samples, feed) if feed else batches_of(samples),
        settings.options,
        labels=None if feed or samples.labels is None else samples.labels.tolist(),
        ranges=settings.ranges,
        progress=progress,
    )


def record_of(scheme: str, quantized: Quantized, options: QuantizeSpec) -> Quantization:
    """What the bundle says of a quantized program."""
    report = quantized.report
    return Quantization(
        scheme=scheme,
        quantized=report.quantized,
        candidates=report.candidates,
        layers=report.layers,
        options=options,
        rule=report.rule,
        tried=report.tried,
        floating=report.plan.floating if report.plan else options.floating,
        drop_points=report.plan.drop_points if report.plan else None,
    )


def missed_budgets(quantized: Sequence[Quantization], artifacts: Sequence[Artifact]) -> tuple[str, ...]:
    """A sentence for each accuracy budget that was not met, on the calibration samples or on the test data."""
    return tuple(sentence for one in quantized for sentence in _missed(one, artifacts))


def _missed(one: Quantization, artifacts: Sequence[Artifact]) -> Iterator[str]:
    if one.drop_points is None or one.options is None or one.options.max_drop is None:
        return
    budget = f"the accuracy budget of {one.options.max_drop:g} points"
    if one.drop_points > one.options.max_drop:
        yield (
            f"{one.scheme}: {budget} was not met on the calibration samples, whatever stays float; the best that was "
            f"found loses {one.drop_points:.2f} points, with {len(one.floating)} layer(s) in float."
        )
        return
    for artifact in artifacts:
        metrics = artifact.verification.metrics if artifact.verification else None
        if artifact.scheme != one.scheme or metrics is None or metrics.top1 is None or metrics.top1_eager is None:
            continue
        lost = 100 * (metrics.top1_eager - metrics.top1)
        if lost > one.options.max_drop:
            yield (
                f"{artifact.target} {one.scheme}: {lost:.2f} points are lost on {metrics.samples} test samples; "
                f"{budget} was met on the calibration samples, and more of those (--calibration-samples) tell better."
            )
