"""Several seeds: the same training a few times over, and what they reached: mean, spread, n."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from mobilekit.errors import UsageError
from mobilekit.files import write_atomically
from mobilekit.spec import TrainSpec
from mobilekit.spec.base import Spec
from mobilekit.train import TrainResult
from mobilekit.train.distributed import launched

CARD = "seeds.json"
Fraction = Annotated[float, Field(ge=0, le=1)]


class SeedRun(Spec):
    """One of the runs; `folder` is beside the card."""

    seed: int
    folder: str
    val_top1: Fraction
    test_top1: Fraction
    test_samples: int


class SeedsCard(Spec):
    """seeds.json. `std_top1` is the sample standard deviation of the test accuracy over the seeds."""

    schema_version: Literal[1] = 1
    runs: tuple[SeedRun, ...]
    mean_top1: Fraction
    std_top1: Annotated[float, Field(ge=0)]

    @property
    def best(self) -> SeedRun:
        """The run to ship, by its validation accuracy: the test accuracy chooses nothing."""
        return max(self.runs, key=lambda one: one.val_top1)


def train_seeds(
    train: Callable[[Path, TrainSpec], TrainResult], folder: Path, spec: TrainSpec, count: int
) -> SeedsCard:
    """Train with `count` seeds from `spec.seed` on, each run in folder/seed-N; writes folder/seeds.json.

    `train` makes one run. Raises what it raises, and UsageError when `folder` is a run itself.
    """
    if (folder / "run.json").exists():
        raise UsageError(f"{folder} is a run; several seeds need a folder of their own", hint="choose another with -o")
    runs = []
    for seed in range(spec.seed, spec.seed + count):
        name = f"seed-{seed}"
        card = train(folder / name, spec.model_copy(update={"seed": seed})).card
        assert card.val_top1 is not None and card.test_top1 is not None and card.test_samples is not None
        runs.append(
            SeedRun(
                seed=seed, folder=name, val_top1=card.val_top1, test_top1=card.test_top1, test_samples=card.test_samples
            )
        )
    reached = [one.test_top1 for one in runs]
    summary = SeedsCard(runs=tuple(runs), mean_top1=statistics.fmean(reached), std_top1=statistics.stdev(reached))
    if launched().leads:
        write_atomically(folder / CARD, summary.model_dump_json(indent=2) + "\n")
    return summary
