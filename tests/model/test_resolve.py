from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mobilekit.environment import Environment, Machine
from mobilekit.errors import MobilekitError, ModelError, SpecError, UnknownName, UsageError, WeightsError
from mobilekit.model import RunCard, resolve, write_run_card, zoo_names
from mobilekit.model.zoo import zoo_folder
from mobilekit.spec import Recipe, TensorSpec, parse_inputs

MODEL = """
import torch
from torch import nn
from layers import Head

def build(width=4, rate=0.5):
    return nn.Sequential(nn.Linear(3, width), nn.Dropout(rate), Head(width))

def build_late(width=4):
    from layers import Head  # found also now, when the file has long been imported
    return Head(width)

def prints():
    print("building")
    return nn.Linear(1, 1)

def fails():
    layers = [nn.Linear(3, 4)]
    return layers[1]

def leaves():
    raise SystemExit(2)

def none():
    pass

number = 3
"""
LAYERS = """
from torch import nn

class Head(nn.Linear):
    def __init__(self, width):
        super().__init__(width, 2)
"""
RECIPE = """
name = "mine"
task = "tensor"
[args]
width = 5
[dynamic.batch]
max = 8
[[inputs]]
name = "x"
shape = ["batch", 3]
"""
FINE_TUNED = """
def build(weights=None):
    if weights:
        raise RuntimeError(weights)
    return nn.Linear(3, 2)
"""
INPUTS = parse_inputs(["batch=1..8,3"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder of the user's, and the current folder beside it."""
    place = tmp_path / "mine"
    place.mkdir()
    (place / "model.py").write_text(MODEL)
    (place / "layers.py").write_text(LAYERS)
    (place / "recipe.toml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "layers", raising=False)
    return place


def error_of(call: Callable[[], Any], kind: type[MobilekitError]) -> MobilekitError:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return caught.value


def test_zoo_names() -> None:
    assert {"digits_cnn", "lenet", "mlp"} <= set(zoo_names())
    for name in zoo_names():
        source = resolve(name)
        assert (source.reference, source.trained) == (name, source.card is not None)
        assert source.recipe_file == zoo_folder() / name / "recipe.toml" and source.folder == zoo_folder() / name
        module = source.build()
        with torch.no_grad():
            assert module(torch.zeros(source.recipe.inputs[0].sized())).shape[0] == 1
        assert not module.training


@pytest.mark.parametrize("reference", ["mine", "./mine", "mine/"])
def test_a_folder(reference: str, folder: Path) -> None:
    source = resolve(reference)
    assert source.recipe.name == "mine" and source.recipe.args == {"width": 5}
    assert source.build()[0].out_features == 5  # type: ignore[index]


def test_a_file_and_a_function(folder: Path) -> None:
    source = resolve("mine/model.py:build", inputs=INPUTS)
    assert source.recipe.name == "model" and source.recipe.inputs == INPUTS and source.folder == folder
    assert source.build()[0].out_features == 4  # type: ignore[index]
    assert source.trained and source.recipe_file is None
    assert isinstance(resolve("mine/model.py:build_late", inputs=INPUTS).build(), nn.Linear)


def test_a_package_and_a_function(folder: Path) -> None:
    (folder / "__init__.py").write_text("")
    sys.path.insert(0, str(folder))  # for `import layers`
    source = resolve("mine.model:build", inputs=INPUTS)
    assert source.recipe.name == "model" and source.build()[0].out_features == 4  # type: ignore[index]


def test_a_zoo_name_is_the_zoos_and_a_path_the_folder_beside_it(folder: Path) -> None:
    shutil.copytree(folder, folder.parent / "lenet")
    assert resolve("lenet").folder == zoo_folder() / "lenet"
    assert resolve("./lenet").recipe.name == "mine"


def test_a_model_without_a_recipe_needs_its_inputs(folder: Path) -> None:
    error = error_of(lambda: resolve("mine/model.py:build"), SpecError)
    assert "--input: one for each input" in error.message and error.hint == "for example --input batch=1..8,3,96,96"


@pytest.mark.parametrize(
    ("reference", "kind", "parts"),
    [
        ("digit_cnn", UnknownName, ["did you mean 'digits_cnn'?", "lenet", "torchvision:ARCHITECTURE"]),
        ("", UnknownName, ["unknown model ''"]),
        ("some/where", UsageError, ["no such model: some/where", "hint: a model is"]),
        ("mine/model.py", UsageError, ["is a file, not a model", "name its function: mine/model.py:build"]),
        ("mine/recipe.toml", UsageError, ["is a file, not a model", "a folder with recipe.toml"]),
        ("model.onnx", UsageError, ["no such model: model.onnx"]),
        ("none.pt2", ModelError, ["no such file: none.pt2"]),
        ("none.py:build", UsageError, ["no such file: none.py"]),
        ("mine/model.py:", UsageError, ["path/to/file.py:function"]),
        ("mine/model.py:bild", UsageError, ["has no function 'bild'", "build, build_late, fails"]),
        ("mine/model.py:number", UsageError, ["has no function 'number'"]),
        (
            "no.such.package:build",
            UsageError,
            ["no Python module 'no.such.package'", "start mobilekit from the folder"],
        ),
        ("json:builds", UsageError, ["json has no function 'builds'", "dump, dumps"]),
        ("https://host/model:build", UsageError, ["no Python module"]),
        (":build", UsageError, ["path/to/file.py:function"]),
    ],
)
def test_names_of_nothing(reference: str, kind: type[MobilekitError], parts: list[str], folder: Path) -> None:
    error = error_of(lambda: resolve(reference, inputs=None if reference == "none.pt2" else INPUTS), kind)
    assert all(part in str(error) for part in parts), str(error)


@pytest.mark.parametrize(
    ("function", "match"),
    [
        ("fails", r"fails\(\) failed: IndexError: list index out of range\n  at .*model\.py:\d+, in fails: return"),
        ("leaves", r"leaves\(\) failed: SystemExit: 2\n  at .*model\.py:\d+, in leaves: raise"),
        ("none", r"none must return a torch\.nn\.Module, it returned NoneType"),
    ],
)
def test_build_functions_that_fail(function: str, match: str, folder: Path) -> None:
    source = resolve(f"mine/model.py:{function}", inputs=INPUTS)
    with pytest.raises(ModelError, match=match):
        source.build()


@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("def build(:\n", r"SyntaxError.*\n  at .*model\.py:1: def build\(:"),
        ("import torch\n\nimport no_such_thing\n", r"ModuleNotFoundError.*\n  at .*model\.py:3, in <module>: import"),
        ("raise RuntimeError('by hand')\n", r"RuntimeError: by hand\n  at .*model\.py:1"),
        ("import sys\nsys.exit(1)\n", r"SystemExit: 1\n  at .*model\.py:2"),
        ("def other(): pass\n", r"model\.py has no function 'build'\nhint: it has: other"),
        ("\0", r"importing .*model\.py failed: "),
    ],
)
def test_model_files_that_fail(code: str, match: str, folder: Path) -> None:
    (folder / "model.py").write_text(code)
    with pytest.raises((ModelError, UsageError), match=match):
        resolve("mine").build()
    with pytest.raises((ModelError, UsageError), match=match):
        resolve("mine/model.py:build", inputs=INPUTS)


def test_arguments_that_build_does_not_take(folder: Path) -> None:
    (folder / "recipe.toml").write_text(RECIPE.replace("width = 5", "widht = 5\nwhat = 'x'"))
    with pytest.raises(ModelError, match=r"build\(widht=5, what='x'\) failed: TypeError.*unexpected keyword"):
        resolve("mine").build()


def test_folders_that_are_not_models(folder: Path) -> None:
    (folder.parent / "empty").mkdir()
    assert "empty has no recipe.toml" in error_of(lambda: resolve("empty"), UsageError).message
    (folder / "model.py").unlink()
    assert "mine has no model.py" in error_of(lambda: resolve("mine"), UsageError).message
    (folder / "bundle.json").write_text("{}")
    assert "is a bundle, not a model" in error_of(lambda: resolve("mine"), UsageError).message


def test_all_problems_of_a_recipe_at_once(folder: Path) -> None:
    wrong = RECIPE.replace('"tensor"', '"tensr"').replace("max = 8", "max = 1").replace('name = "x"', 'nam = "x"')
    (folder / "recipe.toml").write_text(wrong)
    error = error_of(lambda: resolve("mine"), SpecError)
    assert isinstance(error, SpecError) and len(error.problems) >= 3
    assert {"task", "inputs[0].nam"} <= {problem.field for problem in error.problems}


def test_inputs_override_the_recipe(folder: Path) -> None:
    inputs = parse_inputs(["x:4,3"])
    source = resolve("mine", inputs=inputs)
    assert source.recipe.inputs == inputs and source.recipe.args == {"width": 5}
    error = error_of(lambda: resolve("lenet", inputs=parse_inputs(["1,3,8,8"])), SpecError)
    assert "preprocess makes channels, height, width (1, 28, 28)" in error.message
    double = (TensorSpec(name="x", shape=(1, 3)),) * 2
    for reference in ("mine", "mine/model.py:build", "torchvision:resnet18"):
        assert "a name of its own" in error_of(lambda r=reference: resolve(r, inputs=double), SpecError).message  # type: ignore[misc]


def test_weights(folder: Path) -> None:
    other = resolve("mine").build(seed=9)
    save_file(other.state_dict(), "w.safetensors")
    source = resolve("mine", weights="w.safetensors")
    assert source.trained and source.weights == Path("w.safetensors")
    assert torch.equal(source.build()[0].weight, other[0].weight)  # type: ignore[index]
    assert "no such weights file" in error_of(lambda: resolve("mine", weights="none.pt"), WeightsError).message
    assert "torchvision:... only" in error_of(lambda: resolve("mine", weights="DEFAULT"), UsageError).message
    shutil.copy("w.safetensors", "DEFAULT")  # a file of that name is a file
    error = error_of(lambda: resolve("mine", weights="DEFAULT").build(), WeightsError)
    assert "weights must be one of .safetensors" in error.message


def test_a_weights_argument_is_where_training_starts_not_what_a_checkpoint_follows(folder: Path) -> None:
    with (folder / "model.py").open("a") as stream:
        stream.write(FINE_TUNED)
    (folder / "recipe.toml").write_text(RECIPE.replace("width = 5", 'weights = "DEFAULT"'))
    with pytest.raises(ModelError, match="RuntimeError: DEFAULT"):
        resolve("mine").build()
    save_file(nn.Linear(3, 2).state_dict(), "w.safetensors")
    assert isinstance(resolve("mine", weights="w.safetensors").build(), nn.Linear)


def test_random_weights_by_name(folder: Path) -> None:
    assert resolve("digits_cnn").trained and not resolve("digits_cnn", weights="random").trained
    for reference in ("mine", "torchvision:squeezenet1_1"):
        source = resolve(reference, weights="random")
        assert not source.trained and source.weights is None
    assert not resolve("mine/model.py:build", inputs=INPUTS, weights="random").trained


def test_the_seed_makes_the_weights_and_nothing_else(folder: Path) -> None:
    source = resolve("mine")
    torch.manual_seed(7)
    before = torch.get_rng_state()
    one, same, another = source.build(), source.build(seed=0), source.build(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one[0].weight, same[0].weight)  # type: ignore[index]
    assert not torch.equal(one[0].weight, another[0].weight)  # type: ignore[index]


def test_a_model_is_in_eval_mode_and_its_printing_is_not_our_answer(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not any(one.training for one in resolve("mine").build().modules())
    resolve("mine/model.py:prints", inputs=INPUTS).build()
    assert capsys.readouterr() == ("", "building\n")


def test_a_pt2_file(saved: Path) -> None:
    source = resolve(str(saved))
    (spec,) = source.recipe.inputs
    assert (source.program, source.trained, source.recipe.name) == (saved, True, "saved")
    assert spec.describe() == "[batch=1..8, 1, 6, 6]"
    assert source.build(3)(torch.zeros(5, 1, 6, 6)).shape == (5, 3)
    assert "--weights does not go" in error_of(lambda: resolve(str(saved), weights="x.pt"), UsageError).message
    assert "--input does not go" in error_of(lambda: resolve(str(saved), inputs=INPUTS), UsageError).message


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    """A run folder as training leaves it: card, weights and, for a model without a folder, recipe.json."""

    def make(model: str, module: nn.Module, recipe: Recipe | None = None, name: str = "run") -> Path:
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        machine = Machine(system="Linux", processor="a", architecture="x86_64", cores=2, memory_bytes=1)
        card = RunCard(
            model=model,
            recipe_name="x",
            data="digits",
            seed=0,
            epochs_planned=1,
            environment=Environment(machine=machine, python="3.11", mobilekit="0", packages={}),
            created="2026-01-01T00:00:00Z",
        )
        write_run_card(place, card)
        save_file(module.state_dict(), place / "best.safetensors")
        if recipe is not None:
            (place / "recipe.json").write_text(recipe.model_dump_json())
        return place

    return make


def test_a_run_with_its_own_copy_of_the_model(folder: Path, run: Callable[..., Path]) -> None:
    trained = resolve("mine").build(seed=5)
    place = run("gone/by/now", trained)
    for file in folder.iterdir():
        shutil.copy(file, place) if file.is_file() else None
    source = resolve(str(place))
    assert source.trained and source.recipe.name == "mine" and source.weights == place / "best.safetensors"
    assert torch.equal(source.build()[0].weight, trained[0].weight)  # type: ignore[index]


@pytest.mark.parametrize("model", ["mine/model.py:build", "mine.model:build", "torchvision:squeezenet1_1"])
def test_a_run_of_a_model_without_a_folder(model: str, folder: Path, run: Callable[..., Path]) -> None:
    (folder / "__init__.py").write_text("")
    sys.path.insert(0, str(folder))
    original = resolve(model, inputs=None if model.startswith("torchvision") else INPUTS)
    trained = original.build(seed=5)
    source = resolve(str(run(model, trained, original.recipe)))
    assert source.recipe == original.recipe and source.trained
    again = source.build().state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in trained.state_dict().items())
    if not model.startswith("torchvision"):
        assert resolve(str(source.reference), inputs=parse_inputs(["2,3"])).recipe.inputs[0].shape == (2, 3)


def test_a_run_of_a_run(folder: Path, run: Callable[..., Path]) -> None:
    original = resolve("mine/model.py:build", inputs=INPUTS)
    first = run("mine/model.py:build", original.build(), original.recipe, "first")
    trained = original.build(seed=6)
    second = run(str(first), trained, original.recipe, "second")
    assert torch.equal(resolve(str(second)).build()[0].weight, trained[0].weight)  # type: ignore[index]


def test_runs_that_are_not_complete(folder: Path, run: Callable[..., Path]) -> None:
    original = resolve("mine/model.py:build", inputs=INPUTS)
    place = run("gone.py:build", original.build(), original.recipe)
    assert "no such file: gone.py" in error_of(lambda: resolve(str(place)).build(), UsageError).message
    itself = run(str(place), original.build(), original.recipe)
    assert "which is not there" in error_of(lambda: resolve(str(itself)), UsageError).message
    (place / "recipe.json").write_text("[]")
    assert "must be a JSON object" in error_of(lambda: resolve(str(place)), SpecError).message
    (place / "recipe.json").write_text(json.dumps({"name": "x", "inputs": []}))
    assert "recipe.json: 1 problem" in error_of(lambda: resolve(str(place)), SpecError).message
    (place / "recipe.json").unlink()
    assert "recipe.json cannot be read" in error_of(lambda: resolve(str(place)), UsageError).message
    (place / "best.safetensors").unlink()
    assert "has no weights yet (running)" in error_of(lambda: resolve(str(place)), UsageError).message
