"""ModelSource: where a model comes from and everything known about it, before any of its code has run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.spec import Recipe

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelSource:
    """One way to name a model, resolved.

    `build(seed=0)` makes the module (eval mode, on the CPU), its initial weights drawn under `seed`, or those of
    `weights` loaded. `trained` is false when the weights are random. For a `.pt2` file, `program` is the file and the
    module is the program's own.
    """

    reference: str
    recipe: Recipe
    build: Callable[..., nn.Module]
    trained: bool = False
    weights: Path | None = None
    recipe_file: Path | None = None
    program: Path | None = None
    folder: Path | None = None
