"""Small networks with batch norms that have seen data, and samples for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

Samples = list[tuple[Tensor, ...]]


@pytest.fixture
def seasoned() -> Callable[[nn.Module], nn.Module]:
    """Weights of a fixed seed, batch norms with statistics that matter, eval mode."""

    def make(module: nn.Module) -> nn.Module:
        generator = torch.Generator().manual_seed(0)
        for parameter in module.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
        for one in module.modules():
            if isinstance(one, nn.modules.batchnorm._BatchNorm) and one.running_mean is not None:
                one.running_mean.copy_(torch.randn(one.running_mean.shape, generator=generator))
                one.running_var.copy_(torch.rand(one.running_mean.shape, generator=generator) + 0.5)  # type: ignore[union-attr]
        return module.eval().requires_grad_(False)

    return make


@pytest.fixture
def samples() -> Callable[..., Samples]:
    """`count` sets of normal random tensors of these shapes."""

    def make(*shapes: tuple[int, ...], count: int = 12, seed: int = 1) -> Samples:
        generator = torch.Generator().manual_seed(seed)
        return [tuple(torch.randn(shape, generator=generator) for shape in shapes) for _ in range(count)]

    return make
