"""Samples: the golden samples as small pictures, with what each artifact made of them. Mistakes first."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.bundle import Bundle, Manifest
from mobilekit.bundle.manifest import GoldenSample
from mobilekit.errors import MobilekitError
from mobilekit.report.table import REFERENCE

if TYPE_CHECKING:
    import numpy as np

_EDGE = 112
MOST = 24
"""How many samples a page shows."""


@dataclass(frozen=True)
class Guess:
    """What one artifact says: the class, and whether that is the label (None: there is none)."""

    artifact: str
    text: str
    right: bool | None


@dataclass(frozen=True)
class Shown:
    """One sample: a picture as a data URI (None: it has none), its label, and the guesses."""

    id: str
    picture: str | None
    label: str | None
    guesses: tuple[Guess, ...]

    @property
    def mistakes(self) -> int:
        return sum(guess.right is False for guess in self.guesses)


@dataclass(frozen=True)
class Mistakes:
    """What was found by running the artifacts on labelled data. `lost`: right in eager, wrong in some artifact."""

    shown: tuple[Shown, ...]
    wrong: int
    lost: int
    samples: int
    source: str


def shown_samples(folder: Path, manifest: Manifest) -> tuple[Shown, ...]:
    """Those with the most mistakes first. A sample whose files cannot be read is shown without them."""
    bundle = Bundle(folder, manifest)
    classes = manifest.model.task != "tensor"
    labels = _labels(bundle)
    found = [
        Shown(
            id=sample.id,
            picture=_picture(bundle, sample),
            label=None if sample.label is None else _name(sample.label, labels),
            guesses=_guesses(bundle, sample, labels) if classes else (),
        )
        for sample in manifest.golden
    ]
    return tuple(sorted(found, key=lambda one: -one.mistakes)[:MOST])


def _labels(bundle: Bundle) -> tuple[str, ...]:
    try:
        return bundle.labels() or ()
    except MobilekitError:
        return ()


def _name(index: int, labels: tuple[str, ...]) -> str:
    return labels[index] if 0 <= index < len(labels) else f"class {index}"


def _guesses(bundle: Bundle, sample: GoldenSample, labels: tuple[str, ...]) -> tuple[Guess, ...]:
    guesses = []
    for output in sorted(sample.outputs, key=lambda one: one.target != REFERENCE):
        try:
            scores = bundle.golden_tensor(output.outputs[0]) if output.outputs else None
        except MobilekitError:
            continue
        if scores is None or not scores.size:
            continue
        best = int(scores.reshape(-1, scores.shape[-1])[0].argmax()) if scores.ndim else 0
        right = None if sample.label is None else best == sample.label
        guesses.append(Guess(f"{output.target} {output.scheme}", _name(best, labels), right))
    return tuple(guesses)


def _picture(bundle: Bundle, sample: GoldenSample) -> str | None:
    """None when it has none, or it cannot be read."""
    try:
        pixels = bundle.golden_tensor(sample.pixels) if sample.pixels is not None else None
        return picture_of(pixels, bundle.golden_tensor(sample.inputs[0]) if sample.inputs else None)
    except (MobilekitError, ValueError):
        return None


def picture_of(pixels: np.ndarray[Any, Any] | None, tensor: np.ndarray[Any, Any] | None) -> str | None:
    """A data URI of the decoded pixels, else of the input where it looks like an image or a spectrogram, else None."""
    if pixels is not None:
        return _encoded(pixels)
    return None if tensor is None else _heat(tensor)


def _heat(tensor: np.ndarray[Any, Any]) -> str | None:
    """The last two dimensions in grey, from their lowest value to their highest, time running to the right."""
    import numpy as np

    plane = np.squeeze(tensor)
    if plane.ndim != 2 or min(plane.shape) < 4 or not np.isfinite(plane).all():
        return None
    low, high = float(plane.min()), float(plane.max())
    grey = (255 * (plane.astype(np.float64) - low) / ((high - low) or 1.0)).astype(np.uint8)
    return _encoded(np.repeat(grey.T[::-1][..., None], 3, axis=2))


def _encoded(pixels: np.ndarray[Any, Any]) -> str | None:
    """A PNG of at most _EDGE pixels; small pictures are enlarged by whole factors, so that their pixels stay sharp."""
    import numpy as np
    from PIL import Image

    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        return None
    image = Image.fromarray(np.ascontiguousarray(pixels))
    longest = max(image.size)
    if longest > _EDGE:
        image.thumbnail((_EDGE, _EDGE))
    elif longest * 2 <= _EDGE:
        factor = _EDGE // longest
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
