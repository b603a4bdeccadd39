from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from mobilekit.errors import ModelError, StorageError
from mobilekit.model.weights import load_weights
from mobilekit.train.checkpoint import save_weights, state_bytes


def test_what_is_saved_is_what_is_loaded(tmp_path: Path, tiny_model: Callable[[], nn.Module]) -> None:
    module, other = tiny_model(), tiny_model()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1)
    save_weights(tmp_path, module, "a.safetensors", "b.safetensors")
    load_weights(other, tmp_path / "b.safetensors")
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in module.state_dict().items())
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_tied_and_strided_tensors(tmp_path: Path) -> None:
    def make() -> nn.Module:
        module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        module[1].weight = module[0].weight
        module[0].bias.data = torch.arange(6.0)[::2]
        return module

    module, other = make(), make()
    save_weights(tmp_path, module, "a.safetensors")
    load_weights(other, tmp_path / "a.safetensors")
    assert torch.equal(other[1].weight, module[0].weight) and torch.equal(other[0].bias, module[0].bias)  # type: ignore[index]


def test_the_same_state_is_the_same_bytes(tiny_model: Callable[[], nn.Module]) -> None:
    assert state_bytes(tiny_model()) == state_bytes(tiny_model())


class Strange(nn.Module):
    def get_extra_state(self) -> dict[str, int]:
        return {"calls": 3}


def test_refuses_state_that_would_need_pickling() -> None:
    with pytest.raises(ModelError, match="more than tensors: _extra_state"):
        state_bytes(Strange())


def test_a_failure_leaves_the_older_file(tmp_path: Path, tiny_model: Callable[[], nn.Module]) -> None:
    save_weights(tmp_path, tiny_model(), "a.safetensors")
    before = (tmp_path / "a.safetensors").read_bytes()
    with pytest.raises(StorageError):
        save_weights(tmp_path / "a.safetensors", tiny_model(), "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == before
