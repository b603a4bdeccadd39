"""A small saved program, and a way to change what is inside a `.pt2` archive."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobilekit.quiet import quiet

Edit = Callable[[dict[str, bytes]], None]


def inside(name: str) -> str:
    """An entry's name without the archive's own top folder."""
    return name.partition("/")[2]


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution with a dynamic batch, as torch.export.save writes it."""
    import torch
    from torch import nn

    path = tmp_path_factory.mktemp("pt2") / "saved.pt2"
    with quiet():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)).eval()
        batch = torch.export.Dim("batch", min=1, max=8)
        program = torch.export.export(model, (torch.zeros(2, 1, 6, 6),), dynamic_shapes=({0: batch},))
        torch.export.save(program, path)
    return path


@pytest.fixture
def edited(saved: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of `saved` after `edit` has changed its entries (name below the top folder -> content)."""

    def make(edit: Edit, *, top: str = "archive/", more: dict[str, bytes] | None = None) -> Path:
        with zipfile.ZipFile(saved) as archive:
            entries = {inside(name): archive.read(name) for name in archive.namelist()}
        edit(entries)
        path = tmp_path / "edited.pt2"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name, content in entries.items():
                archive.writestr(top + name, content)
            for name, content in (more or {}).items():
                archive.writestr(name, content)
        return path

    return make


@pytest.fixture
def reprogrammed(edited: Callable[..., Path]) -> Callable[[Callable[[Any], None]], Path]:
    """A copy of `saved` whose program (the JSON) was changed."""

    def make(change: Callable[[Any], None]) -> Path:
        def edit(entries: dict[str, bytes]) -> None:
            program = json.loads(entries["models/model.json"])
            change(program)
            entries["models/model.json"] = json.dumps(program).encode()

        return edited(edit)

    return make
