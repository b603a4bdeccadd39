"""Rounding: values to their int8 steps and back, with a gradient that passes straight through. Refuses nothing.

The same bits as torch.fake_quantize_*, and as the exported program's quantize and dequantize. torch's kernels for the
CPU round one value after the other: 33 ms for 3 million of them on one core, where the four vectorized passes below
take 1.7 ms, and going back 3.4 ms where 1.2 do. Plain operators are also what a compiler fuses, and what every device
has.
Straight through: Bengio et al. 2013, https://arxiv.org/abs/1308.3432.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Activation = Callable[["torch.Tensor", float, int, int], "torch.Tensor"]
"""`x` at the nearest step of a scale, from so many steps below zero to so many above. In x's dtype.

The gradient is that of the values that were not cut off.
"""
Weight = Callable[["torch.Tensor", "torch.Tensor", int], "torch.Tensor"]
"""A weight at the nearest steps of its scales, which broadcast with it, at most so many off zero.

The gradient is that of the output: a scale that follows its weight cuts nothing off.
"""


@cache
def rounding() -> tuple[Activation, Weight]:
    """The two functions, made late: they are torch's classes, and torch is imported late."""
    import torch

    class OfActivation(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor, scale: float, lowest: int, highest: int) -> torch.Tensor:
            ctx.save_for_backward(x)  # no mask: the input is there anyway, and one pass looks at it
            ctx.ends = (lowest - 0.5) * scale, (highest + 0.5) * scale
            steps = x.float() * (1 / scale)
            return steps.round_().clamp_(lowest, highest).mul_(scale).to(x.dtype)

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> Any:
            (x,) = ctx.saved_tensors
            return torch.ops.aten.hardtanh_backward(gradient, x, *ctx.ends), None, None, None

    class OfWeight(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, weight: torch.Tensor, scales: torch.Tensor, largest: int) -> torch.Tensor:
            return (weight * (1 / scales)).round_().clamp_(-largest, largest).mul_(scales)

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> Any:
            return gradient, None, None

    return OfActivation.apply, OfWeight.apply
