"""Pictures: real photos as phones hold them: odd sizes, every EXIF orientation, grey, alpha, 1x1 and 24 megapixels.

The photos are those that scikit-learn and matplotlib bring along. Nothing is downloaded.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

ORIENTATION = 0x0112
LARGE = (6000, 4000)
SUBJECTS = ("temple", "flower", "person")


@dataclass(frozen=True)
class Picture:
    """An encoded image; `id` says what is special about it, `subject` what is on it."""

    id: str
    subject: str
    encoded: bytes


def photos() -> tuple[Image.Image, ...]:
    """A temple, a flower, a person: RGB, some 600 pixels wide."""
    import matplotlib
    import sklearn.datasets

    temple, flower = (Image.fromarray(np.asarray(one)) for one in sklearn.datasets.load_sample_images().images)
    person = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    with Image.open(person) as opened:
        return temple, flower, opened.convert("RGB")


def golden_pictures(large: tuple[int, int] | None = LARGE) -> Iterator[Picture]:
    """What a port is tested with; the photo of `large` (width, height) comes last, and takes some seconds."""
    temple, flower, person = photos()
    yield Picture("temple-640x427", "temple", _jpeg(temple))
    for orientation in range(1, 9):
        subject, photo = SUBJECTS[orientation % 3], (temple, flower, person)[orientation % 3]
        cut = photo.crop((orientation, 3, orientation + 297 + 14 * orientation, 3 + 401 - 17 * orientation))
        yield Picture(f"exif-{orientation}-{cut.width}x{cut.height}", subject, _jpeg(cut, orientation))
    yield Picture("grey-451x299", "person", _jpeg(person.convert("L").crop((7, 11, 458, 310))))
    yield Picture("alpha-257x389", "flower", _png(_with_alpha(flower.crop((100, 5, 357, 394)))))
    yield Picture("narrow-37x401", "person", _jpeg(person.crop((250, 20, 287, 421))))
    yield Picture("wide-599x31", "temple", _jpeg(temple.crop((20, 200, 619, 231))))
    yield Picture("one-pixel-1x1", "flower", _jpeg(flower.crop((300, 200, 301, 201))))
    if large is not None:
        yield Picture(
            f"large-{large[0]}x{large[1]}", "flower", _jpeg(flower.resize(large, Image.Resampling.BICUBIC), 6)
        )


def calibration_pictures(count: int = 48) -> Iterator[Picture]:
    """Cuts of the same photos that are none of the golden ones."""
    rng = np.random.default_rng(0)
    all_of_them = photos()
    for index in range(count):
        photo = all_of_them[index % 3]
        width, height = (int(side * rng.uniform(0.45, 1)) for side in photo.size)
        left, top = int(rng.integers(photo.width - width + 1)), int(rng.integers(photo.height - height + 1))
        cut = photo.crop((left, top, left + width, top + height))
        cut = cut.convert("L").convert("RGB") if rng.random() < 0.2 else cut
        yield Picture(f"cut-{index}", SUBJECTS[index % 3], _jpeg(ImageOps.mirror(cut) if rng.random() < 0.5 else cut))


def _jpeg(image: Image.Image, orientation: int | None = None) -> bytes:
    exif = Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=90, exif=exif)
    return buffer.getvalue()


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _with_alpha(image: Image.Image) -> Image.Image:
    """Transparent from left to right: the colours below stay what they were."""
    alpha = np.linspace(0, 255, image.width).astype(np.uint8)
    image = image.convert("RGBA")
    image.putalpha(Image.fromarray(np.broadcast_to(alpha, (image.height, image.width)).copy()))
    return image
