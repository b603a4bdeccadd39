"""`torchvision:<architecture>`: torchvision's builders, with the preprocessing that their weights were trained with."""

from __future__ import annotations

import contextlib
import inspect
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import ValidationError

from mobilekit.errors import DownloadError, ModelError, SpecError, StorageError, UsageError, WeightsError
from mobilekit.files import sha256, storage_errors
from mobilekit.model.seed import seeded
from mobilekit.model.weights import load_state, load_weights, read_state_dict
from mobilekit.quiet import quiet
from mobilekit.registry import lookup
from mobilekit.spec import ImagePreprocess, Recipe, Resize, TensorSpec
from mobilekit.spec.load import problems_of
from mobilekit.usercode import guarded, summary

if TYPE_CHECKING:
    from torch import nn

PREFIX = "torchvision:"
_SILENCE_SECONDS = 60.0
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_DETECTORS: dict[str, tuple[int, tuple[float, ...], tuple[float, ...]]] = {
    "ssd300_vgg16": (300, (0.48235, 0.45882, 0.40784), (1 / 255, 1 / 255, 1 / 255)),
    "ssdlite320_mobilenet_v3_large": (320, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""Side, mean and std of the detectors that stretch images to a fixed size; the others take any, as published 800."""


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
    try:
        preprocess = _detector_preprocess(name, inputs) if is_detector(name) else _preprocess_of(chosen, inputs)
        height, width = (preprocess and preprocess.output_size) or _resize_of(chosen)
        labels = tuple(chosen.meta.get("categories", ())) if chosen is not None else ()
        return Recipe(
            name=name,
            summary=f"torchvision's {name}",
            task="image-classification" if preprocess and _preset(chosen) == "ImageClassification" else "tensor",
            inputs=inputs or (TensorSpec(name="image", shape=(1, 3, height, width)),),
            preprocess=preprocess,
            labels=_unique(labels, preprocess),
        )
    except ValidationError as error:
        raise SpecError("command line", problems_of(error, Recipe)) from error


def is_detector(name: str) -> bool:
    """Whether an architecture finds objects: its module then ends before the selection (see model/detection.py)."""
    import torchvision

    return name in torchvision.models.list_models(module=torchvision.models.detection)


def build(
    name: str, weights: str | Path | None, seed: int = 0, *, inputs: tuple[TensorSpec, ...] | None = None
) -> nn.Module:
    """The module. Random weights are seeded; a path is a checkpoint; a name is one of torchvision's, downloaded.

    `inputs` gives a detector the size that its anchors are for (that of its recipe when None); nothing else needs it.
    Raises DownloadError, naming the file and the folder to put it in by hand, when weights cannot be fetched, and
    ModelError for a detector of two stages.
    """
    import torchvision

    builder = torchvision.models.get_model_builder(name)
    arguments: dict[str, Any] = {"weights": None}
    if "weights_backbone" in inspect.signature(builder).parameters:
        arguments["weights_backbone"] = None  # else the backbone's weights are downloaded even without weights
    if isinstance(weights, str):
        entry = _weights_entry(name, weights)
        # torchvision unpickles what it finds, also a file put there by hand: only tensors may be in it.
        read_state_dict(_fetched(entry))
        arguments = {"weights": entry}
    with quiet(), seeded(seed):
        module: nn.Module = guarded(lambda: builder(**arguments), what=f"{PREFIX}{name}", error=ModelError)
    if isinstance(weights, Path):
        load_weights(module, weights)
    if is_detector(name):
        from mobilekit.model.detection import network_of

        height, width = (inputs or recipe_for(name, None, None).inputs)[0].shape[-2:]
        if not isinstance(height, int) or not isinstance(width, int):
            raise UsageError(f"{PREFIX}{name}: a detector's anchors are for one size; give height and width as numbers")
        return network_of(module, name, (height, width))
    if hasattr(module, "aux_classifier"):  # the second head of segmentation networks, which only training uses
        module.aux_classifier = None  # type: ignore[assignment]
    return module.eval()


def load_published(module: nn.Module, name: str, weights: str, *, but: tuple[str, ...] = ()) -> None:
    """Load torchvision's published weights of architecture `name` into `module`, for fine-tuning.

    `weights` is one of torchvision's names (`DEFAULT`, `IMAGENET1K_V1`). Tensors whose names begin with one of `but`,
    such as `("fc.",)` for a classifier of another width, stay as the module has them; every other one must fit.
    Downloaded once; raises UnknownName, WeightsError, and DownloadError with the file and the folder to put it in by
    hand.
    """
    lookup("torchvision model", name, dict.fromkeys(architectures()))
    file = _fetched(_weights_entry(name, weights))
    load_state(module, read_state_dict(file), source=file, but=but)


def _fetched(entry: Any) -> Path:
    """The file of published weights in torch's cache, downloaded when it is not there yet; its hash is checked."""
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / Path(urlsplit(str(entry.url)).path).name
    hashed = re.search(r"-([a-f0-9]{8,})\.", file.name)
    by_hand = f"download {entry.url} and put it into {folder}/"
    if not file.exists():
        try:
            with storage_errors(folder), _not_forever(), quiet():
                folder.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(entry.url, str(file), hashed[1] if hashed else None, progress=False)
        except StorageError:
            raise
        except Exception as error:  # URLError, a server that does not speak HTTP, a hash that differs
            raise DownloadError(
                f"the pretrained weights {file.name} could not be fetched: {summary(error)}",
                hint=f"on a machine with a network, {by_hand}",
            ) from error
    elif hashed and not sha256(file).startswith(hashed[1]):
        raise DownloadError(f"{file} is damaged: its hash is not the one in its name", hint=f"remove it, or {by_hand}")
    return file


@contextlib.contextmanager
def _not_forever() -> Iterator[None]:
    """urllib waits for a silent server without end unless told otherwise."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _weights_entry(name: str, weights: str) -> Any:
    import torchvision

    published = torchvision.models.get_model_weights(name)
    choices = {str(key): value for key, value in published.__members__.items()}
    return lookup(f"weights of {name}", weights, choices)


def _preprocess_of(entry: Any, inputs: tuple[TensorSpec, ...] | None) -> ImagePreprocess | None:
    """The preset of `entry` in the contract's words; None for tasks without images, or an input no photo fits.

    Segmentation resizes the shorter side and keeps the rest; a graph of one size takes the middle of it.
    """
    if _preset(entry) not in ("ImageClassification", "SemanticSegmentation"):
        return None
    preset = entry.transforms()
    side = int(preset.resize_size[0])
    crop = int(getattr(preset, "crop_size", (side,))[0])
    if inputs is not None:
        own = _square_side(inputs)
        if own is None:
            return None
        crop, side = own, round(side * own / crop)
    return ImagePreprocess(
        resize=Resize(size=(side, side), mode="cover", interpolation=preset.interpolation.value, antialias=True),
        crop=(crop, crop),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


def _preset(entry: Any) -> str:
    """What kind of preprocessing published weights come with: `ImageClassification`."""
    return "" if entry is None else type(entry.transforms()).__name__


def _detector_preprocess(name: str, inputs: tuple[TensorSpec, ...] | None) -> ImagePreprocess | None:
    """What the detector's own transform does: it stretches to a fixed size, or keeps the aspect and pads."""
    side, mean, std = _DETECTORS.get(name, (800, *_IMAGENET))
    height, width = inputs[0].shape[-2:] if inputs else (side, side)
    if not isinstance(height, int) or not isinstance(width, int):
        return None
    if inputs is not None and (len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[1] != 3):
        return None
    mode: Literal["stretch", "fit"] = "stretch" if name in _DETECTORS else "fit"
    return ImagePreprocess(resize=Resize(size=(height, width), mode=mode, antialias=False), mean=mean, std=std)


def _square_side(inputs: tuple[TensorSpec, ...]) -> int | None:
    """The side of the one input (batch, 3, side, side); None when the inputs are something else."""
    batch_and_channels, size = inputs[0].shape[:-2], inputs[0].shape[-2:]
    if len(inputs) != 1 or len(batch_and_channels) != 2 or batch_and_channels[1] != 3 or len(set(size)) != 1:
        return None
    return size[0] if isinstance(size[0], int) else None


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
    path = Path(weights)
    if not path.is_file():
        if weights.isidentifier() and weights.isupper():
            return weights
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
