"""Training from a model source to a run folder that stands on its own: weights, card, metrics, recipe, code, report."""

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
from mobilekit.model.ranges import FILE as RANGES
from mobilekit.model.ranges import Ranges, write_ranges
from mobilekit.model.run import CARD, load_run_card
from mobilekit.pipeline.qat import rounding_module
from mobilekit.pipeline.start import load_torch
from mobilekit.progress import SILENT, Progress
from mobilekit.report.run import write_run_report
from mobilekit.spec import DataSpec, TrainSpec
from mobilekit.train import TrainingData, TrainResult, load_training_data, train
from mobilekit.train.distributed import launched


def train_source(
    source: ModelSource,
    run_dir: Path,
    *,
    data: DataSpec | None = None,
    spec: TrainSpec | None = None,
    device: str = "auto",
    corrupt: Corrupt = "refuse",
    force: bool = False,
    resume: bool = False,
    qat: str | None = None,
    progress: Progress = SILENT,
) -> TrainResult:
    """Train `source` on `data` (the recipe's when None) and leave a run in `run_dir`.

    With `qat`, how the model was called whose weights `source` has, training is for int8: it rounds as the export will.

    With `force` a run that is there already is trained anew; with `resume` it is gone on with, a complete one is
    returned as it is, and where there is none one is begun; anything else that is there is refused. Under torchrun
    every process calls this. Raises OutputExists, UsageError without data or for a run of other options, and what
    the data and train stages raise.
    """
    chosen = _data_of(source, data)
    used = spec or source.recipe.train
    before = _run_before(source, run_dir, chosen, used, qat) if resume else None
    if before is not None and before.status == "complete":
        return TrainResult(run_dir, before, run_dir / before.weights)
    leads = launched().leads
    if before is None and leads and not (resume and _only_begun(run_dir)):
        _check_free(run_dir, force)
    training = _read(source, chosen, used, corrupt, progress)
    ranges = None
    if qat is None:
        module = source.initial(used.seed)
    else:
        module, ranges = rounding_module(source, training, chosen.seed, progress=progress)
    card = _opening(source, chosen, used, before).model_copy(update={"qat": qat})
    with _source_kept(source, run_dir, ranges) if leads else contextlib.nullcontext():
        result = train(
            module, training, used, run_dir, device=device, card=card, resume=before is not None, progress=progress
        )
    if leads:
        write_run_report(run_dir)
    return result


def _data_of(source: ModelSource, data: DataSpec | None) -> DataSpec:
    chosen = data or source.recipe.data
    if chosen is None:
        raise UsageError(f"{source.reference} names no data to train on", hint="give --data, for example --data digits")
    if source.program is not None:
        raise UsageError(f"{source.reference} is a captured program, which cannot be trained", hint="train its module")
    return chosen


def _read(source: ModelSource, data: DataSpec, spec: TrainSpec, corrupt: Corrupt, progress: Progress) -> TrainingData:
    dataset = open_dataset(data.name, seed=data.seed, labels=source.recipe.labels, progress=progress)
    load_torch(progress)
    return load_training_data(
        dataset,
        source.recipe.inputs,
        source.recipe.preprocess,
        seed=data.seed,
        validation_fraction=spec.validation_fraction,
        corrupt=corrupt,
        progress=progress,
    )


def _opening(source: ModelSource, data: DataSpec, spec: TrainSpec, before: RunCard | None) -> RunCard:
    return RunCard(
        model=source.reference,
        recipe_name=source.recipe.name,
        data=data.name,
        seed=spec.seed,
        epochs_planned=spec.epochs,
        resumed=0 if before is None else before.resumed + 1,
        environment=describe(),
        created=utc_now() if before is None else before.created,
    )


def _run_before(source: ModelSource, run_dir: Path, data: DataSpec, spec: TrainSpec, qat: str | None) -> RunCard | None:
    """The run that `resume` goes on with; None where none has begun. Raises UsageError when it is another training."""
    if not (run_dir / CARD).is_file():
        return None
    card = load_run_card(run_dir)
    changed = [
        f"{name} was {was}, now {now}"
        for name, was, now in (
            ("model", card.model, source.reference),
            ("data", card.data, data.name),
            ("--qat", card.qat, qat),
        )
        if was != now
    ]
    if card.train is not None:
        then, now = card.train.model_dump(), spec.model_dump()
        changed += [f"{name} was {then[name]}, now {now[name]}" for name in now if then[name] != now[name]]
    if changed:
        raise UsageError(
            f"{run_dir} is a run of other options, which cannot be gone on with: {'; '.join(changed)}",
            hint="repeat its command with --resume, or choose another place with -o",
        )
    return card


def _only_begun(run_dir: Path) -> bool:
    """Whether the folder holds no more than a training that was killed before its first card left there."""
    return run_dir.is_dir() and all(
        path.name in ("recipe.toml", "recipe.json", RANGES) or path.suffix == ".py" or path.name.startswith(".")
        for path in run_dir.iterdir()
    )


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
def _source_kept(source: ModelSource, run_dir: Path, ranges: Ranges | None) -> Iterator[None]:
    """Copy what the model was made from, so that the run can be exported when the original has changed, and how int8
    rounds where training was for it.

    When training fails before there is a run, nothing stays.
    """
    made = [folder for folder in (run_dir, *run_dir.parents) if not folder.exists()]
    with storage_errors(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
        _copy_source(source, run_dir)
        if ranges is None:
            (run_dir / RANGES).unlink(missing_ok=True)
        else:
            write_ranges(run_dir, ranges)
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
    for file in (run_dir / "recipe.toml", run_dir / "recipe.json", run_dir / RANGES, *run_dir.glob("*.py")):
        file.unlink(missing_ok=True)
