"""EMA: an exponential moving average of a module's weights and batch-norm statistics, beside the trained ones.

Source: torch.optim.swa_utils.AveragedModel; the decay warms up as TensorFlow's ExponentialMovingAverage does, so that
a run of a few hundred steps is not an average of its random start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.optim.swa_utils import AveragedModel


def averaged(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of `module` whose update_parameters(module) moves it by 1 - min(decay, (1 + n) / (10 + n)) at step n."""
    from torch.optim.swa_utils import AveragedModel

    return AveragedModel(module, multi_avg_fn=_update(decay), use_buffers=True)


def _update(decay: float) -> Callable[[Sequence[torch.Tensor], Sequence[torch.Tensor], torch.Tensor | int], None]:
    def update(average: Sequence[torch.Tensor], current: Sequence[torch.Tensor], updates: torch.Tensor | int) -> None:
        import torch

        steps = float(updates)
        weight = 1 - min(decay, (1 + steps) / (10 + steps))
        with torch.no_grad():
            for mine, theirs in zip(average, current, strict=True):
                if mine.is_floating_point():
                    mine.lerp_(theirs, weight)
                else:  # a count, such as batch norm's of its batches
                    mine.copy_(theirs)

    return update
