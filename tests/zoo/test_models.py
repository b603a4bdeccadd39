"""The zoo's models: recipes fit, sizes are the papers', small ones are trained, every one goes to every target."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from mobilekit.data.torchvision_sets import PUBLISHED
from mobilekit.errors import DownloadError
from mobilekit.model import resolve
from mobilekit.model.size import count_size
from mobilekit.model.usercode import load_function
from mobilekit.model.zoo import zoo_folder, zoo_names
from mobilekit.pipeline import ExportOptions, export_source, train_source
from mobilekit.spec import DataSpec, ImagePreprocess, load_recipe

IMAGES = [name for name in zoo_names() if load_recipe(zoo_folder() / name / "recipe.toml").task.startswith("image")]
CIFAR = ["mobilenet_v2", "mobilenet_v3_small", "resnet18", "resnet20", "simple_cnn", "vgg11_bn", "vit_tiny"]
TORCHVISION = {
    "resnet18": "fc",
    "vgg11_bn": "classifier.6",
    "mobilenet_v2": "classifier.1",
    "mobilenet_v3_small": "classifier.3",
}
"""torchvision's, each with the layer that knows the number of classes."""
HARMLESS = {"dim_order_ops::_to_dim_order_copy.out"}
"""Outside the one delegate: copies of single numbers, which hardsigmoid is taken apart into."""


def build(name: str, *, seed: int = 0, **args: Any) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = load_function(f"{zoo_folder() / name / 'model.py'}:build")(**args)
    assert isinstance(module, nn.Module)
    return module.eval()


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


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
    module = build(name, **recipe.args)
    with torch.no_grad():
        for batch in (1, 5, 16) if spec.dynamic else (1,):
            assert module(torch.rand(spec.sized({"batch": batch}))).shape == (batch, len(recipe.labels))


@pytest.mark.parametrize("name", CIFAR)
def test_classes_are_numbered_as_cifar10_and_as_folders_by_name(name: str) -> None:
    recipe = load_recipe(zoo_folder() / name / "recipe.toml")
    assert recipe.labels is not None and recipe.data is not None
    assert recipe.labels == PUBLISHED["cifar10"].labels == tuple(sorted(recipe.labels))
    assert recipe.data.name == "cifar10"
    assert isinstance(recipe.preprocess, ImagePreprocess)
    assert recipe.preprocess.mean == (0.4914, 0.4822, 0.4465) and recipe.preprocess.std == (0.2470, 0.2435, 0.2616)


def test_the_papers_sizes() -> None:
    small = ("digits_cnn", "lenet", "mlp", "fc_net", "simple_cnn", "vit_tiny")
    assert {name: parameters(build(name)) for name in small} == {
        "digits_cnn": 25_978,
        "lenet": 61_728,
        "mlp": 26_122,
        "fc_net": 266_610,
        "simple_cnn": 288_746,
        "vit_tiny": 900_138,
    }
    resnet20 = build("resnet20")
    assert f"{parameters(resnet20) / 1e6:.2f} M" == "0.27 M"  # He et al. 2015, table 6
    weighted = [one for one in resnet20.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    assert len(weighted) == 20 + 2  # and two projections, of shortcuts
    assert [parameters(build("resnet20", blocks=n)) // 10_000 for n in (5, 9)] == [46, 85]  # its 0.46 M and 0.85 M


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "seed", "least"), [("digits_cnn", 0, 0.97), ("digits_cnn", 1, 0.97), ("mlp", 0, 0.96)]
)
def test_the_recipe_reaches_its_accuracy(name: str, seed: int, least: float, tmp_path: Path) -> None:
    source = resolve(name)
    spec = source.recipe.train.model_copy(update={"seed": seed})
    result = train_source(source, tmp_path / "run", spec=spec, device="cpu")
    assert result.card.test_samples == 359 and result.card.test_top1 is not None and result.card.test_top1 >= least


@pytest.mark.parametrize("name", TORCHVISION)
def test_at_224_it_is_torchvisions_own(name: str) -> None:
    with torch.device("meta"):
        theirs = models.get_model(name, weights=None)
        ours = load_function(f"{zoo_folder() / name / 'model.py'}:build")(classes=1000, image_size=224)
    shapes = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert shapes == {key: tensor.shape for key, tensor in theirs.state_dict().items()}
    assert parameters(ours) == models.get_model_weights(name).DEFAULT.meta["num_params"]


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_at_224_it_computes_what_torchvisions_does(name: str) -> None:
    ours, theirs = build(name, classes=1000, image_size=224), models.get_model(name, weights=None).eval()
    theirs.load_state_dict(ours.state_dict())
    image = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(ours(image), theirs(image))


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_multiplications_are_those_that_torchvision_publishes(name: str) -> None:
    theirs = models.get_model_weights(name).DEFAULT.meta["_ops"]
    assert round(count_size(resolve(f"torchvision:{name}")).macs / 1e9, 3) == theirs


@pytest.mark.parametrize("name", TORCHVISION)
def test_small_images_keep_the_published_names_and_a_map_to_look_at(name: str) -> None:
    with torch.device("meta"):
        theirs = models.get_model(name, weights=None).state_dict()
        ours = load_function(f"{zoo_folder() / name / 'model.py'}:build")(image_size=32)
    head = "classifier" if name == "vgg11_bn" else TORCHVISION[name]
    kept = {key: tensor.shape for key, tensor in ours.state_dict().items() if not key.startswith(head)}
    assert kept == {key: tensor.shape for key, tensor in theirs.items() if not key.startswith(head)}
    maps: list[torch.Size] = []
    last = ours.layer4 if name == "resnet18" else ours.features
    last.register_forward_hook(lambda _module, _inputs, output: maps.append(output.shape))
    ours.eval()(torch.zeros(2, 3, 32, 32, device="meta"))
    side = 1 if name == "vgg11_bn" else 4  # VGG's five poolings are its own
    assert tuple(maps[0][2:]) == (side, side)


@pytest.mark.parametrize("name", TORCHVISION)
def test_published_weights_without_a_network_name_the_file(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # the discard port: refused at once
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # urllib remembers the proxies of its first request
    with pytest.raises(DownloadError, match=rf"the pretrained weights {name}-\w+\.pth could not be fetched") as caught:
        build(name, weights="DEFAULT")
    assert caught.value.hint is not None and caught.value.hint.endswith(f"put it into {tmp_path}/hub/checkpoints/")


def data(folder: Path, shape: tuple[int, ...], classes: int) -> str:
    """As many uint8 images as a test needs, with labels, in an .npz file."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16, *shape), dtype=np.uint8)
    np.savez(folder / "images.npz", x=images, y=np.arange(16) % classes)
    return f"npz:{folder / 'images.npz'}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", IMAGES)
def test_every_model_is_exported_to_every_target_in_float_and_int8(name: str, tmp_path: Path) -> None:
    source = resolve(name)
    channels, height, width = source.recipe.inputs[0].sized()[1:]
    assert source.recipe.labels is not None
    spec = DataSpec(
        name=data(tmp_path, (height, width, channels), len(source.recipe.labels)), calibration_samples=4, test_samples=3
    )
    bundle = export_source(source, tmp_path / "bundle", ExportOptions(data=spec, bench=False, threads=1))
    made = {(one.target, one.scheme): one for one in bundle.manifest.shipped}
    assert set(made) == {(target, scheme) for target in ("xnnpack", "onnx", "coreml") for scheme in ("fp32", "int8")}
    assert bundle.manifest.model.trained == (source.card is not None)
    for (target, scheme), artifact in made.items():
        assert artifact.verification is not None
        if artifact.verification.executed:
            failed = [check for check in artifact.verification.checks if not check.passed]
            assert failed == [], (target, scheme)
            assert artifact.verification.metrics is not None
            assert artifact.verification.metrics.samples == 3
        else:
            assert target == "coreml", artifact.verification.reason
        if target == "xnnpack":
            assert artifact.delegation is not None
            assert artifact.delegation.delegates == 1, scheme
            assert set(artifact.operators) <= HARMLESS, scheme
