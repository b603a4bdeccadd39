"""Programs that torch.export wrote go through the check and come back as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from mobilekit.errors import StorageError
from mobilekit.model.pt2 import load_pt2, save_pt2
from mobilekit.quiet import quiet


class Pooled(nn.Module):
    """Height and width through convolution and pooling: ((h - 3)//2 - 1)//2 + 1 and the like."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.norm = nn.BatchNorm2d(4)
        self.scale = nn.ParameterDict({"a-b": nn.Parameter(torch.ones(1))})

    def forward(self, x: Tensor) -> dict[str, Any]:
        y = nn.functional.max_pool2d(self.norm(self.conv(x)).relu(), 2)
        smaller = nn.functional.interpolate(x, scale_factor=0.5, mode="bilinear")
        return {"a (1)": torch.cat([y, y]).flatten(2) * self.scale["a-b"], "b": (smaller, x.reshape(-1, x.shape[3]))}


class Arithmetic(nn.Module):
    """Division, remainder, maximum, and a branch inside the graph."""

    def forward(self, x: Tensor, n: Tensor) -> Tensor:
        part = x[: n.shape[0] // 2].sum() + x.shape[0] % 3 + max(x.shape[0], n.shape[0])
        return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,)) + part


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, weights = self.heads(x, x, x)
        return nn.functional.gelu(self.norm(y), approximate="tanh"), torch.einsum("bij,bjk->bik", weights, y)


class Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)
        self.register_buffer("mask", torch.ones(4), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        return (self.table(ids) * self.mask).mean(1)


CASES: dict[str, Callable[[], tuple[nn.Module, tuple[Tensor, ...], Any]]] = {
    "pooled": lambda: (
        Pooled(),
        (torch.randn(2, 3, 20, 24),),
        ({0: Dim("batch", min=1, max=8), 2: Dim("h", min=16, max=64), 3: Dim("w", min=16, max=64)},),
    ),
    "arithmetic": lambda: (
        Arithmetic(),
        (torch.randn(6, 3), torch.randn(4)),
        ({0: Dim("m", min=4, max=8)}, {0: Dim("n", min=4, max=16)}),
    ),
    "derived": lambda: (
        Embedded(),
        (torch.ones(2, 6, dtype=torch.int64),),
        ({0: Dim("batch", min=1, max=8), 1: 2 * Dim("half", min=2, max=16)},),
    ),
    "attention": lambda: (Attention(), (torch.randn(2, 5, 8),), ({0: Dim("batch", min=1, max=8)},)),
    "static": lambda: (nn.Sequential(nn.Linear(3, 2), nn.Softmax(1)), (torch.randn(4, 3),), None),
    "unbounded": lambda: (nn.Linear(3, 2), (torch.randn(4, 3),), ({0: Dim.AUTO},)),
}


def flat(program: ExportedProgram, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    with torch.no_grad():
        return list(torch.utils._pytree.tree_leaves(program.module()(*inputs)))


@pytest.mark.parametrize("name", CASES)
def test_what_torch_exports_can_be_read_again(name: str, tmp_path: Path) -> None:
    module, inputs, shapes = CASES[name]()
    with quiet():
        program = torch.export.export(module.eval(), inputs, dynamic_shapes=shapes)
    save_pt2(program, tmp_path / "x.pt2")
    again = load_pt2(tmp_path / "x.pt2")
    assert str(again.graph_signature) == str(program.graph_signature)
    for mine, theirs in zip(flat(again, inputs), flat(program, inputs), strict=True):
        assert torch.equal(mine, theirs)


def test_a_full_disk_or_a_missing_folder_is_a_storage_error(tmp_path: Path, saved: Path) -> None:
    program = load_pt2(saved)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        save_pt2(program, tmp_path / "file" / "x.pt2")
