"""Resolving a model's name: zoo name, folder, file.py:build, package.module:build, torchvision:..., run or .pt2."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.errors import ModelError, Problem, SpecError, UnknownName, UsageError
from mobilekit.model import torchvision
from mobilekit.model.run import load_run_card
from mobilekit.model.source import ModelSource
from mobilekit.model.usercode import call_user, load_function
from mobilekit.model.weights import load_weights
from mobilekit.model.zoo import zoo_folder, zoo_names
from mobilekit.spec import Recipe, TensorSpec, load_recipe

if TYPE_CHECKING:
    from torch import nn

FORMS = (
    "a model is a zoo name, a folder with recipe.toml, path/to/file.py:build, package.module:build, "
    "torchvision:ARCHITECTURE, a run made by `mobilekit train`, or a .pt2 file"
)


def resolve(reference: str, *, inputs: tuple[TensorSpec, ...] | None = None, weights: str | None = None) -> ModelSource:
    """Find the model called `reference`. `inputs` and `weights` override what its recipe or run says.

    Raises UnknownName or UsageError when there is no such model, SpecError when its recipe does not validate,
    WeightsError when `weights` cannot be used.
    """
    path = Path(reference)
    if reference.startswith(torchvision.PREFIX):
        return _from_torchvision(reference, inputs, weights)
    if path.suffix == ".pt2":
        return _from_pt2(path, inputs, weights)
    if path.is_dir():
        return _from_folder_or_run(path, inputs, weights)
    if ":" in reference:
        return _from_function(reference, inputs, weights)
    if reference in zoo_names():
        return _from_recipe(reference, zoo_folder() / reference, inputs, weights)
    if len(path.parts) > 1 or path.suffix:
        raise UsageError(f"no such model: {reference}", hint=FORMS)
    raise UnknownName("model", reference, zoo_names(), hint=FORMS)


def _from_folder_or_run(folder: Path, inputs: tuple[TensorSpec, ...] | None, weights: str | None) -> ModelSource:
    if (folder / "run.json").exists():
        return _from_run(folder, inputs, weights)
    if (folder / "bundle.json").exists():
        raise UsageError(f"{folder} is a bundle, not a model", hint="`mobilekit verify` and `bench` take bundles")
    if not (folder / "recipe.toml").exists():
        raise UsageError(f"{folder} has no recipe.toml", hint=FORMS)
    return _from_recipe(str(folder), folder, inputs, weights)


def _from_recipe(
    reference: str, folder: Path, inputs: tuple[TensorSpec, ...] | None, weights: str | None
) -> ModelSource:
    recipe = _with_inputs(load_recipe(folder / "recipe.toml"), inputs)
    if not (folder / "model.py").exists():
        raise UsageError(f"{folder} has no model.py", hint="a model folder holds recipe.toml and model.py with build()")
    file = _checkpoint(weights)
    build = partial(_build, f"{folder / 'model.py'}:build", recipe.args, file)
    return ModelSource(
        reference=reference,
        recipe=recipe,
        build=build,
        trained=file is not None,
        weights=file,
        recipe_file=folder / "recipe.toml",
        folder=folder,
    )


def _from_run(folder: Path, inputs: tuple[TensorSpec, ...] | None, weights: str | None) -> ModelSource:
    card = load_run_card(folder)
    file = _checkpoint(weights) or folder / card.weights
    if not file.is_file():
        raise UsageError(f"{folder} has no weights yet ({card.status})", hint="train it again with `mobilekit train`")
    if not (folder / "recipe.toml").exists():  # a run of torchvision:... keeps only its name
        return _from_torchvision(card.model, inputs, str(file))
    source = _from_recipe(str(folder), folder, inputs, str(file))
    return source


def _from_function(reference: str, inputs: tuple[TensorSpec, ...] | None, weights: str | None) -> ModelSource:
    load_function(reference)  # so that a wrong name is reported before anything else
    place, _, _ = reference.rpartition(":")
    name = Path(place).stem if place.endswith(".py") else place.rpartition(".")[2]
    recipe = _with_inputs(_bare_recipe(name, inputs), None)
    file = _checkpoint(weights)
    build = partial(_build, reference, {}, file)
    folder = Path(place).resolve().parent if place.endswith(".py") else None
    return ModelSource(reference=reference, recipe=recipe, build=build, trained=True, weights=file, folder=folder)


def _from_torchvision(reference: str, inputs: tuple[TensorSpec, ...] | None, weights: str | None) -> ModelSource:
    name = torchvision.reference_name(reference)
    chosen = torchvision.check_weights_option(weights) if weights else None
    recipe = torchvision.recipe_for(name, chosen if isinstance(chosen, str) else None, inputs)
    return ModelSource(
        reference=reference,
        recipe=recipe,
        build=partial(torchvision.build, name, chosen),
        trained=chosen is not None,
        weights=chosen if isinstance(chosen, Path) else None,
    )


def _from_pt2(path: Path, inputs: tuple[TensorSpec, ...] | None, weights: str | None) -> ModelSource:
    from mobilekit.model.program import input_specs
    from mobilekit.model.pt2 import load_pt2

    if weights is not None:
        raise UsageError("--weights does not go with a .pt2 file: it holds its own")
    if inputs is not None:
        raise UsageError("--input does not go with a .pt2 file: its shapes are fixed in the program")
    program = load_pt2(path)
    recipe = _bare_recipe(path.stem, input_specs(program))
    return ModelSource(
        reference=str(path), recipe=recipe, build=lambda: program.module(), trained=True, weights=path, program=path
    )


def _build(target: str, args: dict[str, Any], weights: Path | None) -> nn.Module:
    """Call build(**args) under a fixed seed, and load the weights."""
    import torch

    function: Callable[..., Any] = load_function(target)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = call_user(function, what=f"{target}({_shown(args)})", **args)
    if not isinstance(module, torch.nn.Module):
        raise ModelError(f"{target} must return a torch.nn.Module, it returned {type(module).__name__}")
    if weights is not None:
        load_weights(module, weights)
    return module.eval()


def _shown(args: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in args.items())


def _checkpoint(weights: str | None) -> Path | None:
    if weights is None:
        return None
    chosen = torchvision.check_weights_option(weights)
    if isinstance(chosen, str):
        raise UsageError(
            f"weights {weights!r}: published weights by name go with torchvision:... only",
            hint="give a checkpoint file",
        )
    return chosen


def _with_inputs(recipe: Recipe, inputs: tuple[TensorSpec, ...] | None) -> Recipe:
    if inputs is None:
        return recipe
    return Recipe.model_validate({**recipe.model_dump(), "inputs": [spec.model_dump() for spec in inputs]})


def _bare_recipe(name: str, inputs: tuple[TensorSpec, ...] | None) -> Recipe:
    """The recipe of a model that came without one."""
    if not inputs:
        problem = Problem("--input", "nothing", "one for each input of the model, since it has no recipe")
        raise SpecError(name, [problem], hint="for example --input batch=1..8,3,96,96")
    safe = "".join(char if char.isalnum() or char in "._-" else "_" for char in name).lstrip("._-") or "model"
    return Recipe(name=safe, task="tensor", inputs=inputs)
