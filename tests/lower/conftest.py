"""Tiny models, captured and quantized once: one input and a dynamic batch, and two inputs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from mobilekit.capture import Captured, capture, example_inputs
from mobilekit.quantize import quantize
from mobilekit.spec import parse_inputs


class Net(nn.Module):
    """Conv, batch norm, ReLU, max pool without a stride, flatten, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Linear(8 * 16, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(torch.flatten(torch.max_pool2d(torch.relu(self.norm(self.conv(image))), 2), 1))


class TwoInputs(nn.Module):
    """Adaptive pooling, and a second input that joins late."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Linear(12, 5)

    def forward(self, image: torch.Tensor, meta: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([self.pool(torch.relu(self.conv(image))).flatten(1), meta], 1))


@dataclass(frozen=True)
class Case:
    """A captured model, its float program, and the calibrated one."""

    captured: Captured
    programs: dict[str, torch.export.ExportedProgram]


def _case(module: nn.Module, inputs: list[str]) -> Case:
    captured = capture(module.eval(), parse_inputs(inputs))
    quantized = quantize(captured, [example_inputs(captured.inputs, seed=seed) for seed in range(8)])
    return Case(captured, {"fp32": captured.program, "int8": quantized.program})


@pytest.fixture(scope="session", params=["net", "two_inputs"])
def case(request: pytest.FixtureRequest) -> Case:
    torch.manual_seed(0)
    if request.param == "net":
        return _case(Net(), ["picture:batch=1..16,1,8,8"])
    return _case(TwoInputs(), ["picture:batch=1..8,3,16,16", "facts:batch,4"])
