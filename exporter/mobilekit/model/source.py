"""ModelSource: where a model comes from and everything known about it, before any of its code has run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.model.card import Card
from mobilekit.spec import Recipe

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelSource:
    """One way to name a model, resolved.

    `build(seed=0)` makes the module (eval mode, on the CPU), its initial weights drawn under `seed`, or those of
    `weights` loaded. `trained` is false when the weights are random. For a `.pt2` file, `program` is the file and the
    module is the program's own. `card` vouches for weights that came with the model's folder; `untrained` is then
    what `build` would be without them. For the streaming form of a recipe with a [stream] table, `build(extra=args)`
    adds that table's `args` to those of the recipe. `ranges`: how int8 rounds, of weights that were trained for it.
    """

    reference: str
    recipe: Recipe
    build: Callable[..., nn.Module]
    trained: bool = False
    weights: Path | None = None
    recipe_file: Path | None = None
    program: Path | None = None
    folder: Path | None = None
    card: Card | None = None
    untrained: Callable[..., nn.Module] | None = None
    ranges: Path | None = None

    def initial(self, seed: int = 0) -> nn.Module:
        """The module that a training starts from: weights that came with the folder are what a training ended with."""
        return (self.untrained or self.build)(seed)
