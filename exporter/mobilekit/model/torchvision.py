"""`torchvision:<architecture>`: torchvision's builders, with the preprocessing that their weights were trained with."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.errors import DownloadError, UsageError, WeightsError
from mobilekit.model.weights import load_weights
from mobilekit.quiet import quiet
from mobilekit.registry import lookup
from mobilekit.spec import ImagePreprocess, Recipe, Resize, TensorSpec

if TYPE_CHECKING:
    from torch import nn

PREFIX = "torchvision:"


def architectures() -> tuple[str, ...]:
    """Names of all of torchvision's models."""
    import torchvision

    return tuple(torchvision.models.list_models())


def recipe_for(name: str, weights: str | None, inputs: tuple[TensorSpec, ...] | None) -> Recipe:
    """The recipe of an architecture: shapes, preprocessing and labels as its published weights have them.

    `weights` is the name of one of torchvision's (`DEFAULT`, `IMAGENET1K_V1`); without one, those of the default
    say how the architecture is fed. Raises UnknownName for an architecture or weights that do not exist.
    """
    import torchvision

    lookup("torchvision model", name, dict.fromkeys(architectures()))
    published = torchvision.models.get_model_weights(name)
    chosen = _weights_entry(name, weights) if weights else getattr(published, "DEFAULT", None)
    preprocess = _preprocess_of(chosen, inputs)
    size = preprocess.output_size if preprocess else None
    height, width = size or _resize_of(chosen)
    labels = tuple(chosen.meta.get("categories", ())) if chosen is not None else ()
    return Recipe(
        name=name,
        summary=f"torchvision's {name}",
        task="image-classification" if preprocess else "tensor",
        inputs=inputs or (TensorSpec(name="image", shape=(1, 3, height, width)),),
        preprocess=preprocess,
        labels=_unique(labels, preprocess),
    )


def build(name: str, weights: str | Path | None) -> nn.Module:
    """The module. Random weights are seeded; a path is a checkpoint; a name is one of torchvision's, downloaded.

    Raises DownloadError, naming the file and the folder to put it in by hand, when it cannot be fetched.
    """
    import torch
    import torchvision

    builder = torchvision.models.get_model_builder(name)
    arguments: dict[str, Any] = {"weights": None}
    if "weights_backbone" in inspect.signature(builder).parameters:
        arguments["weights_backbone"] = None  # else the backbone's weights are downloaded even without weights
    entry = _weights_entry(name, weights) if isinstance(weights, str) else None
    if entry is not None:
        arguments = {"weights": entry}
    try:
        with quiet(), torch.random.fork_rng():
            torch.manual_seed(0)
            module: nn.Module = builder(**arguments)
    except OSError as error:
        raise _download_error(name, entry, error) from error
    if isinstance(weights, Path):
        load_weights(module, weights)
    return module.eval()


def _weights_entry(name: str, weights: str) -> Any:
    import torchvision

    published = torchvision.models.get_model_weights(name)
    choices = {str(key): value for key, value in published.__members__.items()}
    return lookup(f"weights of {name}", weights, choices)


def _download_error(name: str, entry: Any, error: OSError) -> DownloadError:
    import torch

    file = Path(str(entry.url)).name if entry is not None else f"{name}'s weights"
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    return DownloadError(
        f"the pretrained weights {file} could not be fetched: {error}",
        hint=f"on a machine with a network, download {file} from torchvision's model page and put it into {folder}/",
    )


def _preprocess_of(entry: Any, inputs: tuple[TensorSpec, ...] | None) -> ImagePreprocess | None:
    """The classification preset of `entry` in the contract's words; None for other tasks or another input size."""
    if entry is None:
        return None
    preset = entry.transforms()
    if type(preset).__name__ != "ImageClassification":
        return None
    crop, side = int(preset.crop_size[0]), int(preset.resize_size[0])
    if inputs is not None:
        shape = inputs[0].shape
        if len(inputs) != 1 or len(shape) != 4 or shape[2] != shape[3] or not isinstance(shape[2], int):
            return None
        crop, side = shape[2], round(side * shape[2] / crop)
    return ImagePreprocess(
        resize=Resize(size=(side, side), mode="cover", interpolation=preset.interpolation.value, antialias=True),
        crop=(crop, crop),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


def _resize_of(entry: Any) -> tuple[int, int]:
    """Input size of models that are not classifiers, from their preset where it has one."""
    preset = entry.transforms() if entry is not None else None
    sizes = getattr(preset, "resize_size", None) or [224]
    return int(sizes[0]), int(sizes[-1])


def _unique(labels: tuple[str, ...], preprocess: ImagePreprocess | None) -> tuple[str, ...] | None:
    """ImageNet has a few labels twice (crane, maillot): a number tells the second from the first."""
    if not labels or preprocess is None:
        return None
    seen: dict[str, int] = {}
    numbered = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        numbered.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return tuple(numbered)


def check_weights_option(weights: str) -> str | Path:
    """`--weights`: the name of published weights, or a checkpoint file."""
    if weights.isidentifier() and weights.isupper():
        return weights
    path = Path(weights)
    if not path.is_file():
        raise WeightsError(
            f"no such weights file: {path}", hint="give a file, or DEFAULT for torchvision's published weights"
        )
    return path


def reference_name(reference: str) -> str:
    """`torchvision:resnet18` -> `resnet18`."""
    name = reference.removeprefix(PREFIX)
    if not name:
        raise UsageError("torchvision: needs an architecture, for example torchvision:mobilenet_v3_small")
    return name
