"""The zoo's models: each recipe fits its model, and digits_cnn reaches what the demo promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from mobilekit.data import open_dataset
from mobilekit.model.run import RunCard
from mobilekit.model.usercode import load_function
from mobilekit.model.zoo import zoo_folder, zoo_names
from mobilekit.spec import Recipe, load_recipe
from mobilekit.train import load_training_data, train


def build(name: str, recipe: Recipe, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = load_function(f"{zoo_folder() / name / 'model.py'}:build")(**recipe.args)
    assert isinstance(module, nn.Module)
    return module.eval()


@pytest.mark.parametrize("name", zoo_names())
def test_recipe_and_model_fit(name: str) -> None:
    file = zoo_folder() / name / "recipe.toml"
    recipe = load_recipe(file)
    assert recipe.name == name and recipe.summary and recipe.labels and recipe.data
    assert file.read_text().startswith(f"# mobilekit train {name}\n"), "opens with the command that runs it"
    spec = recipe.inputs[0]
    if recipe.stream is None:
        assert spec.shape[0] == "batch" and (spec.dynamic["batch"].min, spec.dynamic["batch"].max) == (1, 16)
    else:
        assert spec.shape[0] == 1, "a phone hears one sound at a time"
    module = build(name, recipe)
    for batch in (1, 5, 16) if spec.dynamic else (1,):
        assert module(torch.rand(spec.sized({"batch": batch}))).shape == (batch, len(recipe.labels))


def parameters(name: str) -> int:
    module = build(name, load_recipe(zoo_folder() / name / "recipe.toml"))
    return sum(parameter.numel() for parameter in module.parameters())


def test_sizes() -> None:
    assert {name: parameters(name) for name in ("digits_cnn", "lenet", "mlp")} == {
        "digits_cnn": 25978,
        "lenet": 61728,
        "mlp": 26122,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "seed", "least"), [("digits_cnn", 0, 0.97), ("digits_cnn", 1, 0.97), ("mlp", 0, 0.96)]
)
def test_the_recipe_reaches_its_accuracy(
    name: str, seed: int, least: float, tmp_path: Path, card: Callable[..., RunCard]
) -> None:
    recipe = load_recipe(zoo_folder() / name / "recipe.toml")
    assert recipe.data
    data = load_training_data(open_dataset(recipe.data.name), recipe.inputs, recipe.preprocess, seed=seed)
    spec = recipe.train.model_copy(update={"seed": seed})
    done = train(build(name, recipe, seed), data, spec, tmp_path, device="cpu", card=card()).card
    assert done.test_samples == 359 and done.test_top1 is not None and done.test_top1 >= least
