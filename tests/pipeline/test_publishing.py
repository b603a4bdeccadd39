"""From a run to weights that a model's name alone brings along: what the card says is what the run and bundle say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mobilekit.errors import BundleError, OutputExists, UsageError, WeightsError
from mobilekit.model import RunCard, load_run_card, resolve, write_run_card
from mobilekit.model.card import CARD, WEIGHTS, load_card, published
from mobilekit.model.zoo import zoo_folder
from mobilekit.pipeline import train_seeds, train_source
from mobilekit.pipeline.publishing import command_of, publish
from mobilekit.spec import DataSpec, TrainSpec, load_recipe

RECIPE = load_recipe(zoo_folder() / "mlp" / "recipe.toml")
BRIEF = RECIPE.train.model_copy(update={"epochs": 2, "batch_size": 256})
OTHER_BUNDLE = Path(__file__).parents[1] / "golden" / "bundle"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of mlp, trained for two epochs."""
    place = tmp_path_factory.mktemp("runs") / "mlp"
    train_seeds(lambda folder, spec: train_source(resolve("mlp"), folder, spec=spec), place, BRIEF, 2)
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The user's copy of the model."""
    return Path(shutil.copytree(zoo_folder() / "mlp", tmp_path / "mlp", ignore=shutil.ignore_patterns(CARD, WEIGHTS)))


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained / "seed-0", tmp_path / "run"))


def test_several_seeds_give_mean_and_spread(trained: Path, folder: Path) -> None:
    card = publish(trained, folder, origin="scans", license="CC0")
    assert published(folder) == (folder / WEIGHTS, card)
    runs = [load_run_card(trained / name) for name in ("seed-0", "seed-1")]
    best = max(runs, key=lambda one: one.val_top1 or 0)
    assert (card.seed, card.top1, card.epochs) == (best.seed, best.test_top1, 2)
    assert card.spread is not None and [one.top1 for one in card.spread.runs] == [one.test_top1 for one in runs]
    assert card.command == "mobilekit train mlp --set epochs=2 --set batch_size=256 --seeds 2"
    assert (card.data.name, card.data.train_samples, card.data.test_samples) == ("digits", 1293, 359)
    assert (card.data.origin, card.data.license) == ("scans", "CC0")


def test_a_folders_weights_come_with_its_name(run: Path, folder: Path) -> None:
    before = resolve(str(folder))
    assert not before.trained and before.card is None
    card = publish(run, folder)
    source = resolve(str(folder))
    assert source.trained and source.card == card and source.weights == folder / WEIGHTS
    own, wanted = source.build().state_dict(), load_file(run / "best.safetensors")
    assert all(torch.equal(own[name], tensor) for name, tensor in wanted.items())
    random = resolve(str(folder), weights="random")
    assert not random.trained and random.card is None and random.weights is None
    start = before.build(3).state_dict()
    for fresh in (random.build(3), source.initial(3)):  # a training does not begin where the last one ended
        assert all(torch.equal(tensor, start[name]) for name, tensor in fresh.state_dict().items())


def test_a_card_alone_says_what_training_reached(run: Path, folder: Path) -> None:
    card = publish(run, folder, ship=False)
    assert not card.shipped and load_card(folder) == card and published(folder) is None
    assert not resolve(str(folder)).trained
    with pytest.raises(OutputExists, match=r"card\.json exists already"):
        publish(run, folder)
    shutil.copy(run / "best.safetensors", folder / WEIGHTS)
    found = published(folder)
    assert found is not None and found[1] == card, "the very weights may be put there by hand"


def test_nothing_is_replaced_unasked(run: Path, folder: Path) -> None:
    publish(run, folder)
    with pytest.raises(OutputExists, match=r"weights\.safetensors exists already"):
        publish(run, folder)
    assert publish(run, folder, force=True).spread is None


def test_runs_that_do_not_count(run: Path, folder: Path, tmp_path: Path) -> None:
    whole = load_run_card(run)

    def refused(match: str, kind: type[Exception] = UsageError) -> None:
        with pytest.raises(kind, match=match):
            publish(run, folder)
        assert not (folder / WEIGHTS).exists() and not (folder / CARD).exists()

    write_run_card(run, whole.model_copy(update={"status": "interrupted", "test_top1": None}))
    refused(r"is not complete \(interrupted\)")
    write_run_card(run, whole.model_copy(update={"weights_sha256": "0" * 64}))
    refused("the hashes differ", WeightsError)
    write_run_card(run, whole)
    recipe = (run / "recipe.toml").read_text()
    (run / "recipe.toml").write_text(recipe.replace("hidden = 128", "hidden = 64").replace("255.0", "1.0"))
    refused("was not trained with the recipe of .*: args, preprocess differ")
    (run / "recipe.toml").unlink()
    refused("which is not a model folder")
    with pytest.raises(UsageError, match="is not a run"):
        publish(tmp_path, folder)
    (folder / "recipe.toml").unlink()
    refused("it has no recipe.toml")


def test_a_damaged_card_of_seeds(trained: Path, folder: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(trained, tmp_path / "seeds"))
    raw = json.loads((place / "seeds.json").read_text())
    (place / "seeds.json").write_text(json.dumps({**raw, "mean_top1": 2}))
    with pytest.raises(UsageError, match=r"seeds\.json: 1 problem"):
        publish(place, folder)


def test_a_bundle_of_other_weights_is_refused(run: Path, folder: Path) -> None:
    with pytest.raises((UsageError, BundleError), match="was not made from these weights"):
        publish(run, folder, bundle=OTHER_BUNDLE)


@pytest.mark.slow
def test_a_bundle_tells_what_the_artifacts_reach(run: Path, folder: Path, tmp_path: Path) -> None:
    from mobilekit.pipeline import ExportOptions, export_source

    options = ExportOptions(
        targets=("onnx",), schemes=("fp32", "int8"), data=DataSpec(name="digits", test_samples=20), bench=False
    )
    export_source(resolve(str(run)), tmp_path / "bundle", options)
    card = publish(run, folder, bundle=tmp_path / "bundle")
    assert [(one.target, one.scheme, one.samples) for one in card.artifacts] == [
        ("onnx", "fp32", 20),
        ("onnx", "int8", 20),
    ]
    again = tmp_path / "from the folder"
    export_source(resolve(str(folder)), again, options)
    assert publish(run, folder, bundle=again, force=True).artifacts == card.artifacts


@pytest.mark.parametrize(
    ("changes", "spec", "command"),
    [
        ({}, {}, "mobilekit train mlp"),
        ({"seed": 4}, {}, "mobilekit train mlp --seed 4"),
        ({"data": "imagefolder:/home/me/my data"}, {}, "mobilekit train mlp --data 'imagefolder:my data'"),
        ({"data": "imagefolder:photos"}, {}, "mobilekit train mlp --data imagefolder:photos"),
        ({"model": "/home/me/mlp"}, {}, "mobilekit train mlp"),
        ({"model": "models/mine"}, {}, "mobilekit train models/mine"),
        ({"processes": 2}, {"amp": "bf16"}, "torchrun --nproc-per-node=2 -m mobilekit train mlp --set amp=bf16"),
    ],
)
def test_the_command_that_trains_it_again(
    changes: dict[str, object], spec: dict[str, object], command: str, trained: Path
) -> None:
    card = load_run_card(trained / "seed-0")
    card = RunCard(**{**dict(card), "train": TrainSpec(**{**dict(RECIPE.train), **spec}), **changes})
    assert command_of(card, RECIPE) == command


def test_options_within_tables_are_set_by_their_path(trained: Path) -> None:
    card = load_run_card(trained / "seed-0")
    augment = RECIPE.train.augment.model_copy(update={"flip": True})
    card = card.model_copy(update={"train": RECIPE.train.model_copy(update={"augment": augment, "freeze": ("a.*",)})})
    assert command_of(card, RECIPE) == """mobilekit train mlp --set 'freeze=["a.*"]' --set augment.flip=true"""
    clipped = RECIPE.model_copy(update={"train": RECIPE.train.model_copy(update={"clip_norm": 1.0})})
    with pytest.raises(UsageError, match="the recipe sets clip_norm"):
        command_of(card, clipped)
