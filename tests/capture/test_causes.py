"""Models that torch.export, or the model itself, refuses: the user's line and the cure, in a few short lines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mobilekit.capture import CAUSES, capture
from mobilekit.errors import CaptureError
from mobilekit.spec import parse_inputs

HERE = Path(__file__)


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:  # refused: Branch
            return x
        return -x


class Item(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * float(x.max().item())  # refused: Item


class ItemAsSize(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, : int(x.abs().max().item()) + 1]  # refused: ItemAsSize


class Numpy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(x.numpy() * 2)  # refused: Numpy


class Specialized(nn.Module):
    def forward(self, x: Tensor) -> Tensor:  # refused: Specialized
        return x.reshape(2, -1)


class Narrow(nn.Module):
    """At the smallest size, pooling leaves 1, which broadcasts."""

    def forward(self, x: Tensor) -> Tensor:  # refused: Narrow
        y = nn.functional.max_pool2d(x, 8)
        return y + y.mean((2, 3), keepdim=True)


class Equal(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:  # refused: Equal
        return a + b


class TwoArguments(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # refused: TwoArguments
        return x + y


class OneArgument(nn.Module):
    def forward(self, x: Tensor) -> Tensor:  # refused: OneArgument
        return x


class KeywordsOnly(nn.Module):
    def forward(self, *, x: Tensor) -> Tensor:  # refused: KeywordsOnly
        return x


class OtherShape(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(1))  # refused: OtherShape


class Leaves(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise SystemExit(3)  # refused: Leaves


@torch.library.custom_op("mobilekit_test::untraceable", mutates_args=())
def untraceable(x: Tensor) -> Tensor:
    return x * 2


class CustomOperator(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return untraceable(x)  # refused: CustomOperator


def refusal(module: nn.Module, *inputs: str) -> CaptureError:
    with pytest.raises(CaptureError) as caught:
        capture(module, parse_inputs(inputs or ("2,3",)))
    return caught.value


@pytest.mark.parametrize(
    ("module", "inputs", "said", "cure"),
    [
        (Branch(), (), "torch.export refuses Branch: .*data-dependent", "torch.where, or torch.cond"),
        (Item(), (), "torch.export refuses Item: .*data-dependent", r"\.item\(\), \.tolist\(\)"),
        (ItemAsSize(), (), "Could not extract specialized integer", r"\.item\(\), \.tolist\(\)"),
        (Numpy(), (), r"\.numpy\(\) is not supported", r"\.item\(\), \.tolist\(\), \.numpy\(\)"),
        (Specialized(), ("batch=1..8,4",), "specialized it to be a constant .2.", "fixes a dimension"),
        (Narrow(), ("1,1,h=8..64,16",), r"Not all values of h = x\.shape\[2\]", "narrow the bounds"),
        (Equal(), ("a:batch=1..8,3", "b:n=1..8,3"), "must always be equal", "give them the same name in every input"),
        (TwoArguments(), (), r"missing 1 required positional argument: 'y'", "one --input per argument"),
        (OneArgument(), ("2,3", "2,3"), "takes 2 positional arguments but 3", "one --input per argument"),
        (KeywordsOnly(), (), "takes 1 positional argument but 2", "one --input per argument"),
        (OtherShape(), ("1,3,4",), r"\(input float32 \[1, 3, 4\]\): RuntimeError: mat1 and mat2", "in --input against"),
        (Leaves(), (), "SystemExit: 3", "in --input against"),
        (CustomOperator(), (), "no fake impl registered", r"torch\.library\.register_fake"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_the_user_s_line_and_the_cure(module: nn.Module, inputs: Any, said: str, cure: str) -> None:
    error = refusal(module, *inputs)
    assert re.search(said, error.message), error.message
    assert error.hint and re.search(cure, error.hint), error.hint
    name = f"# refused: {type(module).__name__}"
    line = 1 + next(i for i, text in enumerate(HERE.read_text().splitlines()) if text.endswith(name))
    assert f"\n  at {HERE}:{line}, in " in error.message, error.message
    assert len(error.message) < 600 and "draft_export" not in error.message and "TORCH_LOGS" not in error.message


def test_every_cause_is_met_by_one_of_these_models() -> None:
    cures = {refusal(module, *inputs).hint for module, inputs in (
        (Branch(), ()),
        (Item(), ()),
        (Specialized(), ("batch=1..8,4",)),
        (Narrow(), ("1,1,h=8..64,16",)),
        (Equal(), ("a:batch=1..8,3", "b:n=1..8,3")),
        (TwoArguments(), ()),
        (CustomOperator(), ()),
    )}  # fmt: skip
    assert cures == {cause.cure for cause in CAUSES}


def test_a_scripted_module() -> None:
    with pytest.warns(FutureWarning):
        scripted = torch.jit.script(nn.Linear(3, 2))
    assert "refuses" in refusal(scripted).message
