"""Observers: the modules that stand in a prepared graph. They count, stand aside, or round as int8 will.

One observer serves all three, so that what calibrated a network also shows what int8 will make of it, before and
without converting it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

from mobilekit.quantize.rounding import rounding
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

    round_activation, round_weight = rounding()

    class Activation(UniformQuantizationObserverBase):  # type: ignore[misc]
        is_weight = False

        def __init__(self, *, percentile: float, **options: Any) -> None:
            super().__init__(**options)
            self.statistics, self.mode = Statistics(percentile), Mode.observe
            self.rule: Rule = "min-max"
            self._found: tuple[object, tuple[float, int]] = None, (1.0, 0)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.mode is Mode.observe:
                self.statistics.add(x)
            elif self.mode in (Mode.simulate, Mode.train):
                scale, zero_point = self._numbers()
                return round_activation(x, scale, self.quant_min - zero_point, self.quant_max - zero_point)
            return x

        def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
            low, high = self.statistics.range(self.rule)
            found: tuple[torch.Tensor, torch.Tensor] = self._calculate_qparams(torch.tensor(low), torch.tensor(high))
            return found

        def _numbers(self) -> tuple[float, int]:
            """The scale and the zero point; while a network is trained they are asked for at every step."""
            key = self.rule, self.statistics.seen
            if self._found[0] != key:
                scale, zero_point = self.calculate_qparams()
                self._found = key, (float(scale), int(zero_point))
            return self._found[1]

    class PerChannelWeight(UniformQuantizationObserverBase):  # type: ignore[misc]
        is_weight = True  # torchao hands the axis only to classes that are called PerChannel...

        def __init__(self, *, rule: str, ch_axis: int = 0, **options: Any) -> None:
            super().__init__(**options)
            self.rule, self.ch_axis, self.mode, self.frozen = rule, ch_axis, Mode.observe, False
            self.largest: torch.Tensor | None = None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.mode is Mode.train:
                return round_weight(x, self._shaped(self._range(x.detach()), x), self.quant_max)
            if not self.frozen and (self.mode is Mode.observe or self.largest is None):
                self.largest = self._range(x.detach())
            return self.rounded(x) if self.mode is Mode.simulate else x

        def rounded(self, x: torch.Tensor) -> torch.Tensor:
            """The weight `x` as its int8 form has it, in float."""
            return round_weight(x, self.scales(x), self.quant_max)

        def scales(self, x: torch.Tensor) -> torch.Tensor:
            """The scales that were found, in a shape that broadcasts with the weight `x`."""
            assert self.largest is not None
            return self._shaped(self.largest, x)

        def _range(self, x: torch.Tensor) -> torch.Tensor:
            """The largest magnitude that is kept: (channels,), or () for one scale of all."""
            whole = self.qscheme == torch.per_tensor_symmetric
            axes = [axis for axis in range(x.dim()) if whole or axis != self.ch_axis]
            largest = x.abs().amax(axes)
            if self.rule == "mse":
                rows = x.transpose(0, self.ch_axis).reshape(1 if whole else x.shape[self.ch_axis], -1)
                shares = _least_error_shares(rows, largest.reshape(-1), self.quant_max)
                largest = largest * shares.reshape(largest.shape)
            return largest

        def _shaped(self, largest: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            """The scales that calculate_qparams makes of `largest`, with a tenth of its operators."""
            scales: torch.Tensor = (largest / ((self.quant_max - self.quant_min) / 2)).clamp_min(EPSILON)
            if largest.dim() == 0:
                return scales
            return scales.reshape([-1 if axis == self.ch_axis else 1 for axis in range(x.dim())])

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
