"""A run stands on its own, and a training that never began leaves nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mobilekit.errors import ModelError, OutputExists, UsageError
from mobilekit.model import resolve
from mobilekit.pipeline.training import train_source
from mobilekit.spec import TrainSpec

ONE_EPOCH = TrainSpec(epochs=1, batch_size=256)


def test_a_run_holds_what_it_was_made_from(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "mlp"
    result = train_source(resolve("mlp"), run, spec=ONE_EPOCH)
    assert {path.name for path in run.iterdir()} == {
        "run.json",
        "metrics.jsonl",
        "best.safetensors",
        "last.safetensors",
        "tensorboard",
        "report.md",
        "curves.png",
        "recipe.toml",
        "model.py",
    }
    assert json.loads((run / "run.json").read_text())["status"] == "complete"
    again = resolve(str(run))
    assert again.trained
    assert again.weights == result.weights
    with pytest.raises(OutputExists, match="exists already"):
        train_source(resolve("mlp"), run, spec=ONE_EPOCH)
    retrained = train_source(resolve("mlp"), run, spec=ONE_EPOCH, force=True)
    assert retrained.card.weights_sha256 == result.card.weights_sha256, "the same seed gives the same weights"


def test_another_models_code_does_not_stay_in_the_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train_source(resolve("mlp"), run, spec=ONE_EPOCH)
    bare = replace(resolve("mlp"), recipe_file=None)
    train_source(bare, run, spec=ONE_EPOCH, force=True)
    assert (run / "recipe.json").exists()
    assert not (run / "model.py").exists()


def test_a_training_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    from torch import nn

    source = replace(resolve("mlp", weights="random"), build=lambda seed=0: nn.Linear(3, 2))
    with pytest.raises(ModelError):
        train_source(source, tmp_path / "runs" / "mlp", spec=ONE_EPOCH)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_trained(tmp_path: Path) -> None:
    recipe = resolve("mlp").recipe.model_copy(update={"data": None})
    with pytest.raises(UsageError, match="names no data to train on"):
        train_source(replace(resolve("mlp"), recipe=recipe), tmp_path / "run")
    with pytest.raises(UsageError, match="captured program"):
        train_source(replace(resolve("mlp"), program=Path("m.pt2")), tmp_path / "run")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    with pytest.raises(OutputExists, match="is not a run"):
        train_source(resolve("mlp"), tmp_path / "notes", force=True)
