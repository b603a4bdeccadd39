"""Resolving a model's name: zoo name, folder, file.py:build, package.module:build, torchvision:..., run or .pt2."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from mobilekit.errors import ModelError, Problem, SpecError, UnknownName, UsageError
from mobilekit.model import torchvision
from mobilekit.model.card import published
from mobilekit.model.ranges import FILE as RANGES
from mobilekit.model.run import load_run_card
from mobilekit.model.seed import seeded
from mobilekit.model.source import ModelSource
from mobilekit.model.usercode import call_user, load_function
from mobilekit.model.weights import load_weights
from mobilekit.model.zoo import zoo_folder, zoo_names
from mobilekit.spec import Recipe, TensorSpec, load_recipe
from mobilekit.spec.load import problems_of, revalidated, validate_recipe
from mobilekit.usercode import summary

if TYPE_CHECKING:
    from torch import nn

FORMS = (
    "a model is a zoo name, a folder with recipe.toml, path/to/file.py:build, package.module:build, "
    "torchvision:ARCHITECTURE, a run made by `mobilekit train`, or a .pt2 file"
)
RANDOM = "random"
"""`weights` that stands for none: also where a model comes with some."""


def resolve(reference: str, *, inputs: tuple[TensorSpec, ...] | None = None, weights: str | None = None) -> ModelSource:
    """Find the model called `reference`. `inputs` and `weights` override what its recipe, folder or run has.

    `weights` is a checkpoint, the name of torchvision's published ones, or "random". Raises UnknownName or UsageError
    when there is no such model, SpecError when its recipe or card does not validate, WeightsError when `weights`
    cannot be used, or those of the folder are not its card's.
    """
    path = Path(reference)
    if reference.startswith(torchvision.PREFIX):
        return _from_torchvision(reference, inputs, weights)
    if path.suffix == ".pt2":
        return _from_pt2(path, inputs, weights)
    if reference in zoo_names():  # also beside a folder of that name: a run here must not change what a word means
        return _from_recipe(reference, zoo_folder() / reference, inputs, weights)
    if reference and path.is_dir():
        return _from_folder_or_run(path, inputs, weights)
    if ":" in reference:
        return _from_function(reference, inputs, weights)
    if path.is_file():
        python = path.suffix == ".py"
        raise UsageError(
            f"{reference} is a file, not a model", hint=f"name its function: {path}:build" if python else FORMS
        )
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
    found = published(folder) if weights is None else None
    file, card = found or (_checkpoint(weights), None)
    build = partial(_build, f"{folder / 'model.py'}:build", recipe.args)
    return ModelSource(
        reference=reference,
        recipe=recipe,
        build=partial(build, file),
        trained=file is not None,
        weights=file,
        recipe_file=folder / "recipe.toml",
        folder=folder,
        card=card,
        untrained=partial(build, None) if found else None,
    )


def _from_run(folder: Path, inputs: tuple[TensorSpec, ...] | None, weights: str | None) -> ModelSource:
    card = load_run_card(folder)
    file = None if weights == RANDOM else _checkpoint(weights) or folder / card.weights
    if file is not None and not file.is_file():
        raise UsageError(f"{folder} has no weights yet ({card.status})", hint="train it again with `mobilekit train`")
    ranges = folder / RANGES if weights is None and card.qat is not None else None
    if (folder / "recipe.toml").exists():
        return replace(_from_recipe(str(folder), folder, inputs, str(file or RANDOM)), ranges=ranges)
    return replace(_rebuilt(folder, card.model, inputs, file), ranges=ranges)


def _rebuilt(folder: Path, model: str, inputs: tuple[TensorSpec, ...] | None, file: Path | None) -> ModelSource:
    """A run of a model that has no folder of its own: the run keeps its name, and its recipe as recipe.json."""
    recipe = _with_inputs(_read_recipe_json(folder / "recipe.json"), inputs)
    if model.startswith(torchvision.PREFIX):
        build: Callable[..., nn.Module] = partial(torchvision.build, torchvision.reference_name(model), file)
    elif ":" in model:
        build = partial(_build, model, recipe.args, file)
    elif Path(model).is_dir() and Path(model).resolve() != folder.resolve():
        build = resolve(model, weights=str(file or RANDOM)).build
    else:
        raise UsageError(f"{folder} was made from {model!r}, which is not there", hint=_START_THERE)
    trained = file is not None
    return ModelSource(
        reference=str(folder), recipe=recipe, build=build, trained=trained, weights=file, folder=_folder_of(model)
    )


_START_THERE = "start mobilekit from the folder that the training was started from"


def _read_recipe_json(path: Path) -> Recipe:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} cannot be read: {summary(error)}", hint="the run is incomplete or damaged; train it again"
        ) from error
    if not isinstance(raw, dict):
        raise SpecError(str(path), [Problem("recipe", type(raw).__name__, "must be a JSON object")])
    return validate_recipe(raw, source=str(path))


def _from_function(reference: str, inputs: tuple[TensorSpec, ...] | None, weights: str | None) -> ModelSource:
    place, _, _ = reference.rpartition(":")
    name = Path(place).stem if place.endswith(".py") else place.rpartition(".")[2]
    function = load_function(reference)  # now, so that a wrong name is reported before anything else
    file = _checkpoint(weights)
    return ModelSource(
        reference=reference,
        recipe=_bare_recipe(name, inputs),
        build=partial(_build, reference, {}, file, function=function),
        trained=weights != RANDOM,
        weights=file,
        folder=_folder_of(reference),
    )


def _folder_of(reference: str) -> Path | None:
    """The folder of a model that is a file, whose commit is recorded."""
    place = reference.rpartition(":")[0]
    return Path(place).resolve().parent if place.endswith(".py") else None


def _from_torchvision(reference: str, inputs: tuple[TensorSpec, ...] | None, weights: str | None) -> ModelSource:
    name = torchvision.reference_name(reference)
    chosen = torchvision.check_weights_option(weights) if weights and weights != RANDOM else None
    recipe = torchvision.recipe_for(name, chosen if isinstance(chosen, str) else None, inputs)
    return ModelSource(
        reference=reference,
        recipe=recipe,
        build=partial(torchvision.build, name, chosen, inputs=recipe.inputs),
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
        reference=str(path),
        recipe=recipe,
        build=lambda seed=0: program.module(),
        trained=True,
        weights=path,
        program=path,
    )


def _build(
    target: str,
    args: dict[str, Any],
    weights: Path | None,
    seed: int = 0,
    *,
    extra: dict[str, Any] | None = None,
    function: Callable[..., Any] | None = None,
) -> nn.Module:
    """Call build(**args, **extra) under `seed`, load the weights. Raises ModelError, WeightsError, UsageError.

    An argument `weights` says what a training starts from: where a checkpoint follows, build() need not fetch it.
    """
    import torch

    function, args = function or load_function(target), {**args, **(extra or {})}
    if weights is not None and args.get("weights"):
        args = {**args, "weights": None}
    with seeded(seed):
        module = call_user(partial(function, **args), what=f"{target}({_shown(args)})")
    if not isinstance(module, torch.nn.Module):
        raise ModelError(f"{target} must return a torch.nn.Module, it returned {type(module).__name__}")
    if weights is not None:
        load_weights(module, weights)
    return module.eval()


def _shown(args: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in args.items())


def _checkpoint(weights: str | None) -> Path | None:
    if weights is None or weights == RANDOM:
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
    return revalidated(recipe, {"inputs": [spec.model_dump() for spec in inputs]})


def _bare_recipe(name: str, inputs: tuple[TensorSpec, ...] | None) -> Recipe:
    """The recipe of a model that came without one."""
    if not inputs:
        problem = Problem("--input", "nothing", "one for each input of the model, since it has no recipe")
        raise SpecError(name, [problem], hint="for example --input batch=1..8,3,96,96")
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-") or "model"
    try:
        return Recipe(name=safe, task="tensor", inputs=inputs)
    except ValidationError as error:
        raise SpecError("command line", problems_of(error, Recipe)) from error
