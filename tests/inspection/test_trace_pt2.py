"""Eager is timed by operator: also in-place ones, several outputs, integers, shared dimensions, graphs within."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from mobilekit.inspection import inspect_artifact
from mobilekit.inspection.profile import measured
from mobilekit.model.pt2 import save_pt2


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(2, 4)
        self.act = nn.ReLU6(inplace=True)

    def forward(self, values: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            found = self.table(places)
        first, second = torch.split(self.act(values + found), 2, dim=-1)
        with torch.autocast("cpu", enabled=False):
            second = torch.sigmoid(second)
        return first * second, second * values.shape[0]


@pytest.mark.slow
def test_operators_are_timed_and_pythons_own_are_not(tmp_path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=6)
    program = torch.export.export(
        Net().eval(),
        (torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64)),
        dynamic_shapes=({0: batch}, {0: batch}),
    )
    save_pt2(program, tmp_path / "net.pt2")
    profile = measured(inspect_artifact(tmp_path / "net.pt2"), threads=1).profile
    assert profile is not None and profile.sizes == ((6, 4), (6,))
    kinds = {one.name: (one.kind, one.calls) for one in profile.operators}
    assert kinds.pop("aten.sym_size.int", None) in (None, ("other", 1))
    assert kinds == {
        "aten.embedding.default": ("data movement", 1),
        "aten.add.Tensor": ("arithmetic", 1),
        "aten.hardtanh_.default": ("activation", 1),
        "aten.split.Tensor": ("data movement", 1),
        "aten.sigmoid.default": ("activation", 1),
        "aten.mul.Tensor": ("arithmetic", 2),
    }
    assert profile.between == 0 and profile.microseconds == pytest.approx(profile.parts)
