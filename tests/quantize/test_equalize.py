"""Equalization leaves the function as it is and makes the channels of neighbours equal; it stops where it must."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn

from mobilekit.quantize.equalize import equalize
from mobilekit.quantize.graph import layers_of


def traced(module: nn.Module, *shape: int) -> tuple[fx.GraphModule, Tensor]:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    return torch.export.export(module.eval(), (x,)).module(), x


def uneven(module: nn.Module) -> nn.Module:
    """The first weight's channels differ by a factor of 1,000."""
    first = next(one for one in module.modules() if isinstance(one, nn.Conv2d))
    with torch.no_grad():
        factors = torch.logspace(-2, 1, first.out_channels)
        first.weight *= factors[:, None, None, None]
        first.bias *= factors
    return module


def channel_ranges(module: fx.GraphModule) -> list[Tensor]:
    return [layer.weight.abs().flatten(1).amax(1) for layer in layers_of(module)]


@pytest.mark.parametrize(
    "between",
    [
        lambda: [nn.ReLU(), nn.Conv2d(8, 6, 3)],
        lambda: [nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), nn.Conv2d(8, 4, 1)],
        lambda: [nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 6, 1)],
        lambda: [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)],
    ],
)
def test_the_function_stays_and_the_ranges_become_equal(between: Callable[[], list[nn.Module]]) -> None:
    torch.manual_seed(0)
    module, x = traced(uneven(nn.Sequential(nn.Conv2d(3, 8, 3), *between())), 2, 3, 10, 10)
    with torch.no_grad():
        before, uneven_by = module(x), _spread(channel_ranges(module)[0])
        pairs = equalize(module)
        after = module(x)
    assert pairs == len(list(layers_of(module))) - 1
    assert torch.allclose(after, before, rtol=1e-4, atol=1e-5)
    assert uneven_by > 500
    assert _spread(channel_ranges(module)[0]) < 50
    first, second = list(layers_of(module))[:2]
    facing = second.weight if second.groups > 1 else second.weight.transpose(0, 1)
    assert torch.allclose(first.weight.abs().flatten(1).amax(1), facing.abs().flatten(1).amax(1), rtol=0.01)


def _spread(ranges: Tensor) -> float:
    return float(ranges.max() / ranges.min())


class Residual(nn.Module):
    """The first layer's output is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x).relu()
        return y + self.second(y)


class Twice(nn.Module):
    """One weight in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x).relu())


@pytest.mark.parametrize(
    "module",
    [
        Residual(),
        Twice(),
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU6(), nn.Conv2d(8, 4, 1)),
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.Hardswish(), nn.Conv2d(8, 4, 1)),
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4)),
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 1, groups=2)),
    ],
    ids=["residual", "shared", "relu6", "hardswish", "flattened picture", "groups"],
)
def test_no_scale_moves_where_it_would_change_the_function(module: nn.Module) -> None:
    graph, x = traced(module, 2, 3, 6, 6)
    with torch.no_grad():
        before = graph(x)
        assert equalize(graph) == 0
        assert torch.equal(graph(x), before)


def test_the_module_that_it_came_from_keeps_its_weights() -> None:
    module = uneven(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 1)))
    kept = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    graph, _ = traced(module, 1, 3, 4, 4)
    assert equalize(graph) == 1
    assert all(torch.equal(tensor, kept[name]) for name, tensor in module.state_dict().items())


def test_a_channel_of_zeros_stays_one() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
    with torch.no_grad():
        module[0].weight[1] = 0
        module[2].weight[:, 2] = 0
    graph, x = traced(module, 1, 3, 4, 4)
    with torch.no_grad():
        before = graph(x)
        equalize(graph)
        assert torch.allclose(graph(x), before, rtol=1e-4, atol=1e-6)
    assert all(layer.weight.isfinite().all() for layer in layers_of(graph))
