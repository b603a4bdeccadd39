"""Simulate: a prepared graph as int8 will compute it, without converting it; and the choice of ranges by that.

What a runtime computes differs from it by a rounding of sums here and there, far less than one method of calibration
from another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mobilekit.bundle.measured import RangeRule
from mobilekit.quantize.layers import Noise
from mobilekit.quantize.observers import Mode, observers_of, set_mode
from mobilekit.spec import TensorSpec
from mobilekit.spec.quantize import RULES, Rule

if TYPE_CHECKING:
    import torch
    from torch import fx

Batches = Sequence[Sequence["torch.Tensor"]]
MOST_IN_ONE_CALL = 32


@contextlib.contextmanager
def simulated(prepared: fx.GraphModule, mode: Mode = Mode.simulate) -> Iterator[None]:
    """For the block, all observers do as `mode` says; else they stand aside."""
    set_mode(prepared, mode)
    try:
        yield
    finally:
        set_mode(prepared, Mode.off)


def use_rule(prepared: fx.GraphModule, rule: Rule) -> None:
    """Let every activation's range follow `rule`."""
    for _, observer in observers_of(prepared):
        if not observer.is_weight:
            observer.rule = rule


def try_rules(prepared: fx.GraphModule, batches: Batches) -> tuple[RangeRule, ...]:
    """What each rule comes to on `batches`, of the output where it is worst."""
    expected = [outputs_of(prepared, inputs) for inputs in batches]
    tried = []
    for rule in RULES:
        use_rule(prepared, rule)
        with simulated(prepared):
            decibels = sqnr_db(expected, [outputs_of(prepared, inputs) for inputs in batches])
        tried.append(RangeRule(rule=rule, sqnr_db=decibels))
    return tuple(tried)


def outputs_of(module: fx.GraphModule, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The floating-point outputs, flat."""
    import torch
    from torch.utils import _pytree as pytree

    with torch.no_grad():
        return [one for one in pytree.tree_leaves(module(*inputs)) if one.is_floating_point()]


def sqnr_db(expected: Sequence[list[torch.Tensor]], given: Sequence[list[torch.Tensor]]) -> float | None:
    """Signal to quantization noise in dB over all samples, of the output where it is lowest; None: all are equal."""
    outputs = [Noise() for _ in expected[0]]
    for wanted, got in zip(expected, given, strict=True):
        for noise, one, other in zip(outputs, wanted, got, strict=True):
            noise.add(one, other)
    return min((decibels for noise in outputs if (decibels := noise.sqnr_db()) is not None), default=None)


def stacked(samples: Batches, inputs: Sequence[TensorSpec]) -> list[Sequence[torch.Tensor]]:
    """The samples, several in one call where the program takes them: a third of the time."""
    return [joined(group) for group in grouped(samples, inputs)]


def grouped(samples: Batches, inputs: Sequence[TensorSpec]) -> list[Batches]:
    """Samples that one call takes, in order: as many as the dynamic first dimension that all inputs share allows."""
    names = {spec.shape[0] if spec.shape else None for spec in inputs}
    (name,) = names if len(names) == 1 else (None,)
    if not isinstance(name, str) or any(name in spec.shape[1:] for spec in inputs):
        return [[one] for one in samples]
    largest = min(MOST_IN_ONE_CALL, *(spec.dynamic[name].max for spec in inputs))
    groups: list[list[Sequence[torch.Tensor]]] = []
    for one in samples:
        last = groups[-1] if groups else []
        fits = sum(len(other[0]) for other in last) + len(one[0]) <= largest
        if last and fits and all(a.shape[1:] == b.shape[1:] for a, b in zip(one, last[0], strict=True)):
            last.append(one)
        else:
            groups.append([one])
    return list(groups)


def joined(group: Batches) -> Sequence[torch.Tensor]:
    """One set of inputs for all of a group."""
    import torch

    if len(group) == 1:
        return group[0]
    return tuple(torch.cat(list(tensors)) for tensors in zip(*group, strict=True))
