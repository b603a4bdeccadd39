"""The zoo: model folders that come with mobilekit. A folder of the user's is the same thing, with the same rights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import mobilekit
from mobilekit.model.card import Card, load_card
from mobilekit.model.size import ModelSize, count_size, recorded_size
from mobilekit.progress import SILENT, Progress
from mobilekit.spec import Recipe, load_recipe


@cache
def zoo_folder() -> Path:
    """`mobilekit/zoo` in an installed wheel, `models/` beside `exporter/` in a checkout."""
    package = Path(mobilekit.__file__).resolve().parent
    installed = package / "zoo"
    return installed if installed.is_dir() else package.parents[1] / "models"


def zoo_names() -> tuple[str, ...]:
    """Names of the models that come with mobilekit, sorted."""
    return tuple(sorted(path.parent.name for path in zoo_folder().glob("*/recipe.toml")))


@dataclass(frozen=True)
class ZooModel:
    """What can be said of a zoo model without running it. `card` is None where nothing was trained."""

    name: str
    recipe: Recipe
    size: ModelSize
    card: Card | None

    @property
    def input(self) -> str:
        """`image 3x32x32`: the inputs of one sample, without the batch."""
        return ", ".join(f"{spec.name} {_shape(spec.shape)}" for spec in self.recipe.inputs)

    @property
    def accuracy(self) -> str:
        """What training it reached, and whether the weights come along."""
        if self.card is None:
            return "no weights: train it"
        if self.card.shipped:
            return self.card.describe()
        trained = f"after {self.card.epochs} of {self.recipe.train.epochs} epochs"
        return f"{self.card.describe()} {trained}; not shipped"


def zoo_models(progress: Progress = SILENT) -> tuple[ZooModel, ...]:
    """Every model of the zoo. Sizes come from sizes.json; where that does not fit a model it is counted, with torch.

    Raises SpecError and UsageError for recipes and cards that cannot be read.
    """
    models = []
    for name in zoo_names():
        folder = zoo_folder() / name
        recipe = load_recipe(folder / "recipe.toml")
        size = recorded_size(folder, recipe) or _counted(folder, progress)
        models.append(ZooModel(name, recipe, size, load_card(folder)))
    return tuple(models)


def short(count: int) -> str:
    """`272 k`, `2.24 M`: a count in three digits."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size * 0.9995:
            digits = 0 if count >= 99.95 * size else 1 if count >= 9.995 * size else 2
            return f"{count / size:.{digits}f} {unit}"
    return str(count)


def _counted(folder: Path, progress: Progress) -> ModelSize:
    from mobilekit.model.resolve import resolve

    with progress.task(f"counting {folder.name}"):
        return count_size(resolve(str(folder)))


def _shape(shape: tuple[int | str, ...]) -> str:
    dims = shape[1:] if shape and isinstance(shape[0], str) else shape
    return "x".join(str(dim) for dim in dims)
