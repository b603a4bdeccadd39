"""Decode: an encoded image -> 8-bit RGB, upright. Refuses, by name, whatever is not a whole image of a known kind."""

from __future__ import annotations

import contextlib
import io
import logging
import threading
import warnings
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from mobilekit.errors import DataError
from mobilekit.quiet import quiet
from mobilekit.spec.image import MAX_PIXELS, MAX_SIDE

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""What is read. Others that Pillow knows call programs (EPS), have no fixed size (WMF) or never meet a phone."""

_EIGHT_BIT = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
_SIXTEEN_BIT = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})

_ORIENTATION_TAG = 0x0112
_TRANSPOSE = Image.Transpose
_UPRIGHT = {
    2: _TRANSPOSE.FLIP_LEFT_RIGHT,
    3: _TRANSPOSE.ROTATE_180,
    4: _TRANSPOSE.FLIP_TOP_BOTTOM,
    5: _TRANSPOSE.TRANSPOSE,
    6: _TRANSPOSE.ROTATE_270,  # Pillow counts anticlockwise: this is a quarter turn clockwise.
    7: _TRANSPOSE.TRANSVERSE,
    8: _TRANSPOSE.ROTATE_90,
}
_INVERSE = _UPRIGHT | {6: _TRANSPOSE.ROTATE_90, 8: _TRANSPOSE.ROTATE_270}


def decode_rgb(encoded: bytes, *, exif_orientation: bool, name: str) -> Image.Image:
    """Decode to a Pillow image of mode RGB, turned upright where `exif_orientation` is set.

    Of several frames the first is taken; alpha is dropped, not blended; colour profiles are not applied. Raises
    DataError naming `name` for what is empty, of an unknown kind, corrupt, truncated or too large.
    """
    if not encoded:
        raise DataError(f"{name}: the file is empty", hint=_HINT)
    try:
        with _strict_pillow(), Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            _refuse_too_large(image.size, name)
            orientation = _tiff_orientation(image)
            with _silent_libtiff(image):
                image.load()
            _refuse_unfinished_png(image.format, encoded, name)
            rgb = _to_rgb(image, name)
            if image.format == "TIFF":  # Pillow turns these upright while it loads them, asked or not.
                turn = None if exif_orientation else _INVERSE.get(orientation)
            else:
                turn = _UPRIGHT.get(_exif_orientation(image)) if exif_orientation else None
            return rgb if turn is None else rgb.transpose(turn)
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: not a whole image of a known kind ({', '.join(FORMATS)})", hint=_HINT) from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{name}: far more than {MAX_PIXELS:,} pixels", hint=_SMALLER) from error
    except DataError:
        raise
    except Exception as error:  # Pillow's readers raise nearly anything on bytes that are not what they say.
        raise DataError(f"{name}: cannot be decoded: {error or type(error).__name__}", hint=_HINT) from error


_HINT = "open the file in a viewer; replace it, or leave it out"
_SMALLER = "make the image smaller, or leave it out"


def _refuse_too_large(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS or max(size) > MAX_SIDE:
        raise DataError(
            f"{name}: {width}x{height} pixels; at most {MAX_PIXELS:,} in all and {MAX_SIDE:,} a side are decoded",
            hint=_SMALLER,
        )


def _refuse_unfinished_png(kind: str | None, encoded: bytes, name: str) -> None:
    """Pillow is content once all rows are there; the chunks after them, and so the last checksum, may be missing."""
    if kind != "PNG":
        return
    position = 8
    while len(encoded) - position >= 12:
        length = int.from_bytes(encoded[position : position + 4], "big")
        if encoded[position + 4 : position + 8] == b"IEND":
            return
        position += 12 + length
    raise DataError(f"{name}: truncated: the PNG file has no end", hint=_HINT)


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode in _EIGHT_BIT:
        return image.convert("RGB")
    if image.mode in _SIXTEEN_BIT or (image.mode == "I" and image.format in ("PNG", "PPM")):
        # The high byte, as Pillow and libpng take it for 16-bit colour; Pillow's own conversion would clip at 255.
        grey = np.asarray(image).astype(np.int64) >> 8
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    raise DataError(
        f"{name}: colour mode {image.mode!r} has no defined way to 8-bit RGB",
        hint="save the image as 8-bit grey or RGB",
    )


def _tiff_orientation(image: Image.Image) -> int:
    """A TIFF file's own orientation; to be read before loading, which applies and removes it."""
    if image.format != "TIFF":
        return 1
    value = image.tag_v2.get(_ORIENTATION_TAG, 1)  # type: ignore[attr-defined]
    return value if isinstance(value, int) else 1


def _exif_orientation(image: Image.Image) -> int:
    """The orientation in the file's EXIF block; 1 where there is none or it cannot be read. XMP is not looked at."""
    exif = Image.Exif()
    with contextlib.suppress(Exception):  # Broken metadata beside good pixels: as cameras' and phones' viewers do.
        exif.load(image.info.get("exif") or b"")
        value = exif.get(_ORIENTATION_TAG, 1)
        return value if isinstance(value, int) else 1
    return 1


_libtiff_lock = threading.Lock()


@contextlib.contextmanager
def _silent_libtiff(image: Image.Image) -> Iterator[None]:
    """libtiff prints its complaints to the process's stderr: hold them back, one file at a time."""
    if image.format != "TIFF":
        yield
        return
    with _libtiff_lock, quiet():
        yield


_lock = threading.Lock()
_outer = contextlib.ExitStack()
_users = [0]


@contextlib.contextmanager
def _strict_pillow() -> Iterator[None]:
    """Make Pillow refuse truncated files whatever the application has set, and keep its warnings and log to itself.

    These are settings of the whole process: the first of several threads sets them, the last puts them back.
    """
    with _lock:
        _users[0] += 1
        if _users[0] == 1:
            _outer.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL\.")
            _outer.callback(setattr, ImageFile, "LOAD_TRUNCATED_IMAGES", ImageFile.LOAD_TRUNCATED_IMAGES)
            ImageFile.LOAD_TRUNCATED_IMAGES = False
            logger = logging.getLogger("PIL")
            _outer.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        with _lock:
            _users[0] -= 1
            if _users[0] == 0:
                _outer.close()
