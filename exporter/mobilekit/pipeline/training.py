"""Training from a model source to a run folder that stands on its own: weights, card, metrics, recipe and code."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from mobilekit.bundle.write import utc_now
from mobilekit.data import open_dataset
from mobilekit.data.samples import Corrupt
from mobilekit.environment import describe
from mobilekit.errors import OutputExists, UsageError
from mobilekit.files import storage_errors, write_atomically
from mobilekit.model import ModelSource, RunCard
from mobilekit.model.run import CARD
from mobilekit.pipeline.start import load_torch
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
    used = spec or source.recipe.train
    dataset = open_dataset(chosen.name, seed=chosen.seed, labels=source.recipe.labels)
    load_torch(progress)
    training = load_training_data(
        dataset,
        source.recipe.inputs,
        source.recipe.preprocess,
        seed=chosen.seed,
        validation_fraction=used.validation_fraction,
        corrupt=corrupt,
        progress=progress,
    )
    module = source.build(used.seed)
    card = RunCard(
        model=source.reference,
        recipe_name=source.recipe.name,
        data=chosen.name,
        seed=used.seed,
        epochs_planned=used.epochs,
        environment=describe(),
        created=utc_now(),
    )
    with _source_kept(source, run_dir):
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


@contextlib.contextmanager
def _source_kept(source: ModelSource, run_dir: Path) -> Iterator[None]:
    """Copy what the model was made from, so that the run can be exported when the original has changed.

    When training fails before there is a run, nothing stays.
    """
    made = [folder for folder in (run_dir, *run_dir.parents) if not folder.exists()]
    with storage_errors(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
        _copy_source(source, run_dir)
    try:
        yield
    except BaseException:
        if not (run_dir / CARD).exists():
            _remove_source(run_dir)
            with contextlib.suppress(OSError):
                for folder in made:
                    folder.rmdir()
        raise


def _copy_source(source: ModelSource, run_dir: Path) -> None:
    if source.recipe_file is None:
        _remove_source(run_dir)
        write_atomically(run_dir / "recipe.json", source.recipe.model_dump_json(indent=2) + "\n")
    elif source.recipe_file.parent.resolve() != run_dir.resolve():
        _remove_source(run_dir)
        for file in (source.recipe_file, *source.recipe_file.parent.glob("*.py")):
            shutil.copyfile(file, run_dir / file.name)


def _remove_source(run_dir: Path) -> None:
    """Those of an earlier run in the same folder would be taken for this one's."""
    for file in (run_dir / "recipe.toml", run_dir / "recipe.json", *run_dir.glob("*.py")):
        file.unlink(missing_ok=True)
