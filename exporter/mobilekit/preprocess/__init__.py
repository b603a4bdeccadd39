"""Preprocess: the one definition of image -> tensor, as docs/preprocessing.md states it. Never imports torch."""

from mobilekit.preprocess.geometry import center_crop, pad_to_center, resized_size
from mobilekit.preprocess.image import decode_image, normalize, preprocess_image, to_pixels
from mobilekit.preprocess.resample import resample

__all__ = [
    "center_crop",
    "decode_image",
    "normalize",
    "pad_to_center",
    "preprocess_image",
    "resample",
    "resized_size",
    "to_pixels",
]
