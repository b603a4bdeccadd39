"""Observers: the modules that stand in a prepared graph. They count, stand aside, or round as int8 will.

One observer serves all three, so that what calibrated a network also shows what int8 will make of it, before and
without converting it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

from mobilekit.quantize.statistics import Statistics
from mobilekit.quiet import quiet
from mobilekit.spec.quantize import QuantizeSpec, Rule

if TYPE_CHECKING:
    import torch
    from torch import fx

EPSILON = 2**-12
"""The smallest scale, as in ExecuTorch's own configuration."""
_WEIGHT_CANDIDATES = 64


class Mode(Enum):
    """What every observer of a graph does with the values that come by."""

    observe = "count them"
    off = "nothing"
    simulate = "round them to int8 and back"
    train = "round them, a weight by a scale that follows it"


def activation_spec(options: QuantizeSpec) -> Any:
    """torchao's QuantizationSpec of activations: int8, affine, per tensor."""
    import torch

    with quiet():
        from torchao.quantization.pt2e.quantizer import QuantizationSpec

    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_affine,
        observer_or_fake_quant_ctr=_types()[0].with_args(percentile=options.percentile, eps=EPSILON),
    )


def weight_spec(options: QuantizeSpec) -> Any:
    """torchao's QuantizationSpec of weights: int8, symmetric, per output channel or per tensor."""
    import torch

    with quiet():
        from torchao.quantization.pt2e.quantizer import QuantizationSpec

    per_channel = options.weights == "per-channel"
    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=torch.per_channel_symmetric if per_channel else torch.per_tensor_symmetric,
        ch_axis=0,
        observer_or_fake_quant_ctr=_types()[1].with_args(rule=options.weight_observer, eps=EPSILON),
    )


def observers_of(prepared: fx.GraphModule) -> Iterator[tuple[str, Any]]:
    """The observers of a prepared graph by name, each once: tensors that must share a scale share their observer."""
    for name, module in prepared.named_modules():
        if isinstance(module, _types()):
            yield name, module


def set_mode(prepared: fx.GraphModule, mode: Mode) -> None:
    """Let all observers do the same."""
    for _, observer in observers_of(prepared):
        observer.mode = mode


def observer_at(prepared: fx.GraphModule, node: fx.Node) -> Any | None:
    """The observer that `node` calls; None for any other node."""
    module = prepared.get_submodule(str(node.target)) if node.op == "call_module" else None
    return module if isinstance(module, _types()) else None


@cache
def _types() -> tuple[Any, Any]:
    """The two classes, made late: they are torch modules, and torch is imported late."""
    import torch

    with quiet():
        from torchao.quantization.pt2e.observer import UniformQuantizationObserverBase

    class Activation(UniformQuantizationObserverBase):  # type: ignore[misc]
        is_weight = False

        def __init__(self, *, percentile: float, **options: Any) -> None:
            super().__init__(**options)
            self.statistics, self.mode = Statistics(percentile), Mode.observe
            self.rule: Rule = "min-max"
            self._found: tuple[object, tuple[torch.Tensor, torch.Tensor]] = None, (torch.ones(1), torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.mode is Mode.observe:
                self.statistics.add(x)
            elif self.mode in (Mode.simulate, Mode.train):
                scale, zero_point = self.calculate_qparams()
                return torch.fake_quantize_per_tensor_affine(
                    x, float(scale), int(zero_point), self.quant_min, self.quant_max
                )
            return x

        def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
            key = self.rule, self.statistics.seen
            if self._found[0] != key:
                low, high = self.statistics.range(self.rule)
                self._found = key, self._calculate_qparams(torch.tensor(low), torch.tensor(high))
            return self._found[1]

    class PerChannelWeight(UniformQuantizationObserverBase):  # type: ignore[misc]
        is_weight = True  # torchao hands the axis only to classes that are called PerChannel...

        def __init__(self, *, rule: str, ch_axis: int = 0, **options: Any) -> None:
            super().__init__(**options)
            self.rule, self.ch_axis, self.mode, self.frozen = rule, ch_axis, Mode.observe, False
            self.largest: torch.Tensor | None = None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not self.frozen and (self.mode in (Mode.observe, Mode.train) or self.largest is None):
                self.largest = self._range(x.detach())
            return self.rounded(x) if self.mode in (Mode.simulate, Mode.train) else x

        def _range(self, x: torch.Tensor) -> torch.Tensor:
            """The largest magnitude that is kept: (channels,), or () for one scale of all."""
            rows = x.transpose(0, self.ch_axis).reshape(x.shape[self.ch_axis], -1)
            if self.qscheme == torch.per_tensor_symmetric:
                rows = rows.reshape(1, -1)
            largest = rows.abs().amax(1)
            if self.rule == "mse":
                largest = largest * _least_error_shares(rows, largest, self.quant_max)
            return largest if self.qscheme == torch.per_channel_symmetric else largest[0]

        def rounded(self, x: torch.Tensor) -> torch.Tensor:
            """The weight `x` as its int8 form has it, in float."""
            scales, zero_points = self.calculate_qparams()
            if self.qscheme == torch.per_tensor_symmetric:
                return torch.fake_quantize_per_tensor_affine(x, float(scales), 0, self.quant_min, self.quant_max)
            return torch.fake_quantize_per_channel_affine(
                x, scales, zero_points.int(), self.ch_axis, self.quant_min, self.quant_max
            )

        def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
            largest = torch.zeros(()) if self.largest is None else self.largest
            found: tuple[torch.Tensor, torch.Tensor] = self._calculate_qparams(-largest, largest)
            return found

    return Activation, PerChannelWeight


def _least_error_shares(rows: torch.Tensor, largest: torch.Tensor, steps: int) -> torch.Tensor:
    """Which share of `largest` (channels,) keeps the squared error of each of `rows` (channels, values) least."""
    import torch

    best, shares = torch.full_like(largest, float("inf")), torch.ones_like(largest)
    for part in range(_WEIGHT_CANDIDATES // 2, _WEIGHT_CANDIDATES + 1):
        scale = (largest * part / _WEIGHT_CANDIDATES / steps).clamp_min(EPSILON)[:, None]
        error = ((rows / scale).round().clamp(-steps, steps) * scale - rows).square().sum(1)
        better = error < best
        best, shares = torch.where(better, error, best), torch.where(better, part / _WEIGHT_CANDIDATES, shares)
    return shares
