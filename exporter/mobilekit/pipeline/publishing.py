"""Publishing: a run's weights into a model folder, with the card that vouches for them. Refuses what does not fit it.

From then on the folder's name alone is enough: `mobilekit export FOLDER` takes these weights.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from pydantic import ValidationError

from mobilekit.bundle import Bundle
from mobilekit.errors import OutputExists, SpecError, UsageError, WeightsError
from mobilekit.files import sha256, write_atomically
from mobilekit.model import ModelSource, RunCard, load_run_card, resolve, zoo_names
from mobilekit.model.card import CARD, WEIGHTS, ArtifactAccuracy, Card, CardData, SeedAccuracy, Spread
from mobilekit.model.weights import check_finite
from mobilekit.pipeline.seeds import CARD as SEEDS
from mobilekit.pipeline.seeds import SeedsCard
from mobilekit.spec import Recipe, load_recipe
from mobilekit.spec.load import problems_of
from mobilekit.train.checkpoint import state_bytes


def publish(
    run: Path,
    folder: Path,
    *,
    bundle: Path | None = None,
    origin: str | None = None,
    license: str | None = None,
    ship: bool = True,
    force: bool = False,
) -> Card:
    """Write `folder`/weights.safetensors (float32) and `folder`/card.json from `run`; returns the card.

    Without `ship` the card is written alone, for weights that are too large to come along.

    `run` is a complete run, or a folder of several seeds: then the seed with the best validation accuracy is taken,
    and all of them give the mean and the spread. `folder` is the model that was trained: recipe.toml and model.py.
    `bundle`, made from these weights, adds what its artifacts reached. `origin` and `license` are the data's.

    Raises UsageError for a run that is not complete or not of this model, OutputExists when weights are there and
    `force` is not set, WeightsError for weights that do not fit or are not finite, BundleError, StorageError.
    """
    there = next((path for path in (folder / WEIGHTS, folder / CARD) if path.exists()), None)
    if there is not None and not force:
        raise OutputExists(f"{there} exists already; nothing was written", hint="give --force to replace it")
    if not (folder / "recipe.toml").is_file():
        raise UsageError(f"{folder} is not a model folder: it has no recipe.toml")
    chosen, seeds = chosen_run(run)
    done = _complete(chosen)
    source = resolve(str(folder), weights=str(chosen / done.weights))
    _check_same_model(chosen, done, source.recipe, folder)
    content = _weights(source, chosen / done.weights, done)
    accuracies = () if bundle is None else _artifacts(bundle, {sha256(chosen / done.weights), _hash(content)})
    card = Card(
        model=source.recipe.name,
        weights_sha256=_hash(content),
        shipped=ship,
        command=command_of(done, source.recipe, seeds),
        data=CardData(
            name=portable(done.data),
            train_samples=done.train_samples or 0,
            validation_samples=done.val_samples or 0,
            test_samples=done.test_samples or 0,
            origin=origin,
            license=license,
        ),
        seed=done.seed,
        epochs=done.epochs_done,
        best_epoch=done.best_epoch or 1,
        top1=done.test_top1 or 0.0,
        spread=Spread.of([SeedAccuracy(seed=one.seed, top1=one.test_top1) for one in seeds.runs]) if seeds else None,
        artifacts=accuracies,
        device=done.device or "cpu",
        environment=done.environment,
        created=done.created,
    )
    if ship:
        write_atomically(folder / WEIGHTS, content)
    else:
        (folder / WEIGHTS).unlink(missing_ok=True)
    write_atomically(folder / CARD, card.model_dump_json(indent=2) + "\n")
    return card


def chosen_run(run: Path) -> tuple[Path, SeedsCard | None]:
    """The run to publish, and the card of all seeds where `run` holds several."""
    path = run / SEEDS
    if not path.is_file():
        return run, None
    try:
        seeds = SeedsCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise SpecError(str(path), problems_of(error, SeedsCard), hint="the file was changed or is damaged") from error
    return run / seeds.best.folder, seeds


def _complete(run: Path) -> RunCard:
    card = load_run_card(run)
    figures = (card.test_top1, card.test_samples, card.train_samples, card.val_samples, card.best_epoch)
    if card.status != "complete" or None in figures:
        raise UsageError(
            f"{run} is not complete ({card.status}): its accuracy was not measured",
            hint="go on with it: the command that began it, with --resume",
        )
    return card


def _check_same_model(run: Path, card: RunCard, recipe: Recipe, folder: Path) -> None:
    """The run's recipe and the folder's agree on everything that the weights depend on."""
    if not (run / "recipe.toml").is_file():
        raise UsageError(f"{run} was trained from {card.model}, which is not a model folder")
    trained = load_recipe(run / "recipe.toml")
    names = ("name", "task", "args", "inputs", "preprocess", "labels")
    differ = [name for name in names if getattr(trained, name) != getattr(recipe, name)]
    if differ:
        raise UsageError(
            f"{run} was not trained with the recipe of {folder}: {', '.join(differ)} differ",
            hint="publish it into the model that it was trained from, or train again",
        )


def _weights(source: ModelSource, file: Path, card: RunCard) -> bytes:
    """The run's weights in the folder's own module, which they must fit, as a safetensors file in float32."""
    if card.weights_sha256 is not None and sha256(file) != card.weights_sha256:
        raise WeightsError(f"{file} is not what its run wrote: the hashes differ", hint="train again")
    module = source.build().float()
    check_finite(module.state_dict(), what=str(file))
    return state_bytes(module)


def _hash(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def _artifacts(bundle: Path, weights: set[str]) -> tuple[ArtifactAccuracy, ...]:
    """What the artifacts of a bundle reached. Raises UsageError when it was made from other weights."""
    manifest = Bundle.load(bundle).manifest
    if manifest.model.weights_sha256 not in weights:
        raise UsageError(f"{bundle} was not made from these weights", hint="export the run, and give that bundle")
    return tuple(
        ArtifactAccuracy(
            target=one.target, scheme=one.scheme, top1=found.top1, top1_eager=found.top1_eager, samples=found.samples
        )
        for one in manifest.shipped
        if one.verification is not None and (found := one.verification.metrics) is not None
        if found.top1 is not None and found.top1_eager is not None
    )


def command_of(run: RunCard, recipe: Recipe, seeds: SeedsCard | None = None) -> str:
    """The command that trains such a run again, given the recipe: `mobilekit train resnet20 --set amp=bf16 --seeds 5`.

    Raises UsageError where the run's options cannot be given on the command line.
    """
    launch = f"torchrun --nproc-per-node={run.processes} -m " if run.processes > 1 else ""
    words = ["train", run.model if run.model in zoo_names() else _last(run.model)]
    if recipe.data is None or run.data != recipe.data.name:
        words += ["--data", portable(run.data)]
    words += ["--qat", portable(run.qat)] if run.qat else []
    words += _settings(run, recipe)
    first = seeds.runs[0].seed if seeds else run.seed
    words += ["--seed", str(first)] if first != recipe.train.seed else []
    words += ["--seeds", str(len(seeds.runs))] if seeds else []
    return f"{launch}mobilekit {shlex.join(words)}"


def _settings(run: RunCard, recipe: Recipe) -> list[str]:
    """`--set FIELD=VALUE` for each training option that is not the recipe's."""
    if run.train is None:
        return []
    used, written = (_flat(spec.model_dump(mode="json")) for spec in (run.train, recipe.train))
    changed = {name: value for name, value in used.items() if value != written[name] and name != "seed"}
    unset = [name for name, value in changed.items() if value is None]
    if unset:
        raise UsageError(f"the recipe sets {', '.join(unset)}, and the run was trained without", hint="mend the recipe")
    texts = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in changed.items()]
    return [word for text in texts for word in ("--set", text)]


def _flat(fields: dict[str, object]) -> dict[str, object]:
    """`{"augment": {"flip": true}}` as `{"augment.flip": true}`."""
    flat: dict[str, object] = {}
    for name, value in fields.items():
        flat |= {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def portable(data: str) -> str:
    """A data set's name without the folders of this machine: `imagefolder:/home/me/cifar` is `imagefolder:cifar`."""
    kind, colon, place = data.partition(":")
    return f"{kind}:{_last(place)}" if colon and Path(place).is_absolute() else data


def _last(place: str) -> str:
    return Path(place).name if Path(place).is_absolute() else place
