"""Training from a model source to a run folder that stands on its own: weights, card, metrics, recipe and code."""

from __future__ import annotations

import shutil
from pathlib import Path

from mobilekit.bundle.write import utc_now
from mobilekit.data import open_dataset
from mobilekit.data.samples import Corrupt
from mobilekit.environment import describe
from mobilekit.errors import OutputExists, UsageError
from mobilekit.files import storage_errors, write_atomically
from mobilekit.model import ModelSource, RunCard
from mobilekit.progress import SILENT, Progress
from mobilekit.spec import DataSpec, TrainSpec
from mobilekit.train import TrainResult, load_training_data, train


def train_source(
    source: ModelSource,
    run_dir: Path,
    *,
    data: DataSpec | None = None,
    spec: TrainSpec | None = None,
    device: str = "auto",
    corrupt: Corrupt = "refuse",
    force: bool = False,
    progress: Progress = SILENT,
) -> TrainResult:
    """Train `source` on `data` (the recipe's when None) and leave a run in `run_dir`.

    With `force` a run that is there already is trained anew; anything else that is there is refused. Raises
    OutputExists, UsageError without data, and what the data and train stages raise.
    """
    chosen = data or source.recipe.data
    if chosen is None:
        raise UsageError(f"{source.reference} names no data to train on", hint="give --data, for example --data digits")
    if source.program is not None:
        raise UsageError(f"{source.reference} is a captured program, which cannot be trained", hint="train its module")
    _check_free(run_dir, force)
    training = load_training_data(
        open_dataset(chosen.name, seed=chosen.seed, labels=source.recipe.labels),
        source.recipe.inputs,
        source.recipe.preprocess,
        seed=chosen.seed,
        validation_fraction=(spec or source.recipe.train).validation_fraction,
        corrupt=corrupt,
        progress=progress,
    )
    module = source.build()
    _keep_source(source, run_dir)
    used = spec or source.recipe.train
    card = RunCard(
        model=source.reference,
        recipe_name=source.recipe.name,
        data=chosen.name,
        seed=used.seed,
        epochs_planned=used.epochs,
        environment=describe(),
        created=utc_now(),
    )
    return train(module, training, used, run_dir, device=device, card=card, progress=progress)


def _check_free(run_dir: Path, force: bool) -> None:
    if not run_dir.exists() or (run_dir.is_dir() and not any(run_dir.iterdir())):
        return
    if not force:
        raise OutputExists(
            f"{run_dir} exists already; nothing was changed", hint="choose another place with -o, or give --force"
        )
    if not (run_dir / "run.json").is_file():
        raise OutputExists(f"{run_dir} is not a run; --force replaces runs only", hint="choose another place with -o")


def _keep_source(source: ModelSource, run_dir: Path) -> None:
    """Copy what the model was made from, so that the run can be exported when the original has changed."""
    with storage_errors(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
        if source.recipe_file is not None:
            for file in (source.recipe_file, *source.recipe_file.parent.glob("*.py")):
                shutil.copyfile(file, run_dir / file.name)
        else:
            write_atomically(run_dir / "recipe.json", source.recipe.model_dump_json(indent=2) + "\n")
