"""Selection: the samples that a search goes by. Never test data: what was chosen by it could not be judged by it.

They are of the part of the train split that a training holds back to choose its best epoch: a network has not learned
them by heart, so that it loses on them what it will lose on new ones. What calibrates is taken out of them, since
ranges fit it too well.
"""

from __future__ import annotations

from pathlib import Path

from mobilekit.data import Dataset, Subset, subset
from mobilekit.data.base import View
from mobilekit.errors import DataError
from mobilekit.model import ModelSource
from mobilekit.model.run import CARD, load_run_card
from mobilekit.spec import DataSpec
from mobilekit.train.data import divided

DEFAULT_SAMPLES = 1000


def selection(source: ModelSource, dataset: Dataset, spec: DataSpec, calibration: Subset, count: int) -> Subset:
    """At most `count` samples, the same number of each class while they last. Raises DataError when none is left."""
    _, back = divided(dataset, seed=spec.seed, validation_fraction=_fraction(source))
    used = set(calibration.indices)
    rest = tuple(index for index in back.indices if index not in used)
    if not rest:
        raise DataError(
            f"{dataset.name}: no training sample is left to choose by; {len(calibration)} of them calibrate int8",
            hint="calibrate on fewer: --calibration-samples 64",
        )
    return subset(View(dataset.split("train"), rest, "train, held back"), count, seed=spec.seed)


def _fraction(source: ModelSource) -> float:
    """The share that the model's training held back, where that is known; else what a recipe says."""
    run = Path(source.reference)
    card = load_run_card(run) if (run / CARD).is_file() else None
    return (card.train if card and card.train else source.recipe.train).validation_fraction
