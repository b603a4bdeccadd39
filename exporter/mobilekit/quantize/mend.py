"""Mend: weights and biases changed so that their int8 form gives what float gives: AdaRound and bias correction.

Both go through the network once, layer after layer, with what the layers before really give.
Sources: Nagel et al. 2020, Up or Down? Adaptive Rounding for Post-Training Quantization,
https://arxiv.org/abs/2004.10568; Nagel et al. 2019, https://arxiv.org/abs/1906.04721, section 4.2 and appendix D
(the empirical form, which needs data and no assumption about batch norms).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mobilekit.progress import SILENT, Progress
from mobilekit.quantize.folding import operator_name
from mobilekit.quantize.graph import RELUS, Layer, layers_of
from mobilekit.quantize.simulate import Batches
from mobilekit.quantize.walk import walk
from mobilekit.spec.quantize import QuantizeSpec

if TYPE_CHECKING:
    import torch
    from torch import fx

MOST_SAMPLES = 64
"""What both forms hold in memory at once; the papers find little more in more (2020: figure 5)."""
_BATCH = 32
_STRETCH = (-0.1, 1.1)
_WARM_START, _BETA = 0.2, (20.0, 2.0)
_REGULARIZATION, _RATE = 0.01, 1e-2


def mend(prepared: fx.GraphModule, batches: Batches, options: QuantizeSpec, *, progress: Progress = SILENT) -> None:
    """Change weights and biases of a calibrated graph in place, as `options` say."""
    layers = sum(layer.observer is not None for layer in layers_of(prepared))
    what = "rounding adaptively" if options.adaround else "correcting biases"

    def one(layer: Layer, inputs: Sequence[torch.Tensor], targets: Sequence[torch.Tensor]) -> None:
        if options.adaround and layer.alone:
            round_adaptively(layer, inputs, targets, options.adaround_steps)
        if options.bias_correction:
            correct_bias(layer, inputs, targets)

    with progress.task(what, total=layers) as task:
        walk(prepared, batches, one, done=task.advance)


def correct_bias(layer: Layer, inputs: Sequence[torch.Tensor], targets: Sequence[torch.Tensor]) -> None:
    """Take the mean error of each output channel off its bias (equation 17)."""
    import torch

    assert layer.bias is not None and layer.observer is not None
    weight, axis = layer.observer.rounded(layer.weight.detach()), layer.channel_axis
    errors = [
        (layer.call(x, weight) - y).transpose(axis, -1).flatten(0, -2) for x, y in zip(inputs, targets, strict=True)
    ]
    layer.put(bias=layer.bias - torch.cat(errors).mean(0))


def round_adaptively(layer: Layer, inputs: Sequence[torch.Tensor], targets: Sequence[torch.Tensor], steps: int) -> bool:
    """Choose for each weight whether to round it up or down, so that the layer's output is nearest to `targets`.

    The layer's weight becomes the rounded one, on the grid of its scales, which are frozen. Kept only where it comes
    nearer than rounding to nearest does; returns whether it was.
    """
    import torch

    observer = layer.observer
    assert observer is not None
    x, y = torch.cat(list(inputs)), _activated(layer, torch.cat(list(targets)))
    weight = layer.weight.detach()
    scale: torch.Tensor = observer.scales(weight)
    floor = (weight / scale).floor()
    low, high = _STRETCH
    rest = (weight / scale - floor).clamp(1e-4, 1 - 1e-4)
    choice = (-torch.log((high - low) / (rest - low) - 1)).requires_grad_()
    optimizer = torch.optim.Adam([choice], lr=_RATE)
    generator = torch.Generator().manual_seed(0)

    def at(shares: torch.Tensor) -> torch.Tensor:
        return (floor + shares).clamp(observer.quant_min, observer.quant_max) * scale

    with torch.enable_grad():
        for step in range(steps):
            picked = torch.randperm(len(x), generator=generator)[:_BATCH]
            shares = (choice.sigmoid() * (high - low) + low).clamp(0, 1)
            loss = _error(_activated(layer, layer.call(x[picked], at(shares))), y[picked], layer.channel_axis)
            part = (step / steps - _WARM_START) / (1 - _WARM_START)
            if part > 0:
                beta = _BETA[1] + (_BETA[0] - _BETA[1]) * (1 - part)
                loss = loss + _REGULARIZATION * (1 - (2 * shares - 1).abs().pow(beta)).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    chosen = at((choice.detach() >= 0).float())
    nearest = observer.rounded(weight)
    errors = [_error(_activated(layer, layer.call(x, one)), y, layer.channel_axis) for one in (chosen, nearest)]
    observer.frozen = True
    if errors[0] >= errors[1]:
        return False
    layer.put(weight=chosen)
    return True


def _error(given: torch.Tensor, wanted: torch.Tensor, axis: int) -> torch.Tensor:
    return (given - wanted).square().sum(axis).mean()


def _activated(layer: Layer, y: torch.Tensor) -> torch.Tensor:
    """Past the ReLU that alone follows the layer: what it cuts off need not be right (section 3.4)."""
    users = list(layer.node.users)
    return y.relu() if len(users) == 1 and operator_name(users[0]) in RELUS else y
