"""Calibrate: the ranges of a prepared graph, measured on samples, and the rule that cuts them, chosen by what it costs.

Refuses samples that do not fit the model or are not finite, and a graph whose float outputs are not the program's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mobilekit.bundle.measured import RangeRule
from mobilekit.capture import Captured
from mobilekit.errors import QuantizeError
from mobilekit.model.ranges import Ranges
from mobilekit.progress import SILENT, Progress, Task
from mobilekit.quantize.observers import Mode, observers_of
from mobilekit.quantize.simulate import Batches, grouped, joined, simulated, try_rules, use_rule
from mobilekit.quiet import quiet
from mobilekit.spec import QuantizeSpec, TensorSpec
from mobilekit.spec.quantize import Rule
from mobilekit.usercode import summary

if TYPE_CHECKING:
    import torch
    from torch import fx
    from torch.export import ExportedProgram

FOLDING_TOLERANCE = 1e-3
"""Largest difference that folding batch norms may make, relative to the largest output: float32 gives about 1e-6."""
_HELD_BACK = 4
"""One sample in so many chooses the rule."""


def calibrate(
    prepared: fx.GraphModule,
    captured: Captured,
    samples: Batches,
    options: QuantizeSpec,
    *,
    progress: Progress = SILENT,
) -> tuple[Rule, tuple[RangeRule, ...]]:
    """Let the observers of `prepared`, made from `captured`, see all of `samples`, and set the rule of their ranges.

    Rule auto: the one that costs least at the outputs on a quarter of the samples, while the ranges are those of the
    others. Returns the rule, and what each came to where they were tried. Raises QuantizeError.
    """
    with progress.task("calibrating int8", total=len(samples)) as task:
        if options.observer != "auto":
            _observe(prepared, captured, samples, 0, task)
            use_rule(prepared, options.observer)
            return options.observer, ()
        first = len(samples) - len(samples) // _HELD_BACK
        _observe(prepared, captured, samples[:first], 0, task)
        chooses = grouped(samples[first:] or samples, captured.inputs)
        with quiet():
            tried = try_rules(prepared, [joined(group) for group in chooses])
        _observe(prepared, captured, samples[first:], first, task)
    best = max(tried, key=lambda one: math.inf if one.sqnr_db is None else one.sqnr_db)
    use_rule(prepared, best.rule)
    return best.rule, tried


def use_ranges(
    prepared: fx.GraphModule, captured: Captured, sample: Sequence[torch.Tensor], ranges: Ranges
) -> tuple[Rule, tuple[RangeRule, ...]]:
    """Give the observers of `prepared` the ranges of a training; returns what `calibrate` does.

    Weights get their scales from a run of `sample`. Raises QuantizeError when the ranges are another network's."""
    observers = {name: one for name, one in observers_of(prepared) if not one.is_weight}
    if set(observers) != set(ranges.activations):
        raise QuantizeError(
            f"the network has {len(observers)} int8 activations, the training's ranges are for "
            f"{len(ranges.activations)} of other names",
            hint="the model's code has changed since; train again with --qat",
        )
    with simulated(prepared, Mode.observe):
        _check_still_the_same(captured.program, sample, _run(prepared, sample, "sample 0"))
    for name, one in ranges.activations.items():
        statistics = observers[name].statistics
        statistics.low, statistics.high = one.low, one.high
        observers[name].rule = "min-max"
    return ranges.rule, ()


def check_samples(samples: Batches, specs: Sequence[TensorSpec]) -> None:
    """Raise QuantizeError naming the first sample that the model cannot take or that is not finite."""
    for index, inputs in enumerate(samples):
        _check_sample(inputs, specs, index)


def _observe(prepared: fx.GraphModule, captured: Captured, samples: Batches, first: int, task: Task) -> None:
    """Run `samples`, of which the first is number `first`."""
    with simulated(prepared, Mode.observe):
        for group in grouped(samples, captured.inputs):
            which = f"sample {first}" if len(group) == 1 else f"samples {first} to {first + len(group) - 1}"
            outputs = _run(prepared, joined(group), which)
            if first == 0:
                _check_still_the_same(captured.program, joined(group), outputs)
            first += len(group)
            task.advance(len(group))


def _check_sample(inputs: Sequence[torch.Tensor], specs: Sequence[TensorSpec], index: int) -> None:
    if len(inputs) != len(specs):
        raise QuantizeError(f"calibration sample {index} has {len(inputs)} tensors for {len(specs)} inputs")
    for spec, tensor in zip(specs, inputs, strict=True):
        problem = spec.mismatch(tensor.shape)
        if problem is None and str(tensor.dtype) != f"torch.{spec.dtype}":
            problem = f"{spec.name} must be {spec.dtype}, given {str(tensor.dtype).removeprefix('torch.')}"
        if problem is not None:
            raise QuantizeError(f"calibration sample {index} does not fit the model: {problem}")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise QuantizeError(
                f"calibration sample {index} holds NaN or infinity in {spec.name}",
                hint="check the data and its preprocessing",
            )


def _run(prepared: fx.GraphModule, inputs: Sequence[torch.Tensor], which: str) -> list[torch.Tensor]:
    import torch
    from torch.utils import _pytree as pytree

    try:
        with quiet(), torch.no_grad():
            outputs: list[torch.Tensor] = pytree.tree_leaves(prepared(*inputs))
    except Exception as error:  # an observer stumbles over a range that is not finite, too
        raise QuantizeError(f"the model fails on calibration {which}: {summary(error)}") from error
    if any(not output.isfinite().all() for output in outputs if output.is_floating_point()):
        raise not_finite(f"an output is NaN or infinite on calibration {which}")
    return outputs


def _check_still_the_same(
    program: ExportedProgram, inputs: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]
) -> None:
    """Before anything is rounded, the prepared graph is the float one with batch norms folded: only the last digits
    may differ. Where more does, the preparation has changed the model, and no calibration would tell."""
    import torch
    from torch.utils import _pytree as pytree

    with quiet(), torch.no_grad():
        expected = pytree.tree_leaves(program.module()(*inputs))
    for mine, theirs in zip(outputs, expected, strict=True):
        difference = (mine.float() - theirs.float()).abs().max() if mine.numel() else 0.0
        if difference > FOLDING_TOLERANCE * max(1e-6, float(theirs.float().abs().max())):
            raise QuantizeError(
                f"preparing this model for int8 changes its float outputs (by up to {float(difference):.3g})",
                hint="a batch norm may use the statistics of the batch; call eval() on it, or export the model as fp32",
            )


def not_finite(what: str) -> QuantizeError:
    """Why there are no ranges, and what to look at."""
    return QuantizeError(
        f"{what}: int8 ranges cannot be measured", hint="check the samples' preprocessing, and the weights"
    )
