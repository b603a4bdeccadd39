"""The choices of image preprocessing, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mobilekit.spec.image import ImagePreprocess, Resize


def test_defaults_are_torchvision_s_to_tensor() -> None:
    spec = ImagePreprocess()
    assert (spec.color, spec.divisor, spec.mean, spec.std, spec.layout) == ("RGB", 255.0, (), (), "NCHW")
    assert spec.exif_orientation and spec.resize is None and spec.crop is None


def test_survives_json() -> None:
    spec = ImagePreprocess(
        color="L",
        resize=Resize(size=(12, 8), mode="fit", interpolation="lanczos", antialias=False, pad_value=9),
        crop=(4, 5),
        divisor=127.5,
        mean=(0.1307,),
        std=(0.3081,),
        layout="NHWC",
    )
    assert ImagePreprocess.model_validate_json(spec.model_dump_json()) == spec


def test_channels_and_output_size() -> None:
    assert [ImagePreprocess(color=color).channels for color in ("RGB", "BGR", "L")] == [3, 3, 1]
    resize = Resize(size=(12, 8))
    assert ImagePreprocess().output_size is None
    assert ImagePreprocess(resize=resize).output_size == (12, 8)
    assert ImagePreprocess(resize=resize, crop=(4, 5)).output_size == (4, 5)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"color": "HSV"}, "color"),
        ({"crop": [0, 5]}, "crop"),
        ({"crop": [5]}, "crop"),
        ({"crop": [16384, 16384]}, "at most 134217728 pixels"),
        ({"resize": {"size": [16385, 1]}}, "less than or equal to 16384"),
        ({"resize": {"size": [8, 8], "mode": "cover"}}, "needs a crop"),
        ({"resize": {"size": [8, 8], "pad_value": 256}}, "pad_value"),
        ({"resize": {"size": [8, 8], "filter": "bilinear"}}, "filter"),
        ({"mean": [0.5]}, r"mean needs 3 value\(s\) for RGB, given 1"),
        ({"color": "L", "std": [1, 1, 1]}, r"std needs 1 value\(s\) for L, given 3"),
        ({"std": [1, 0, 1]}, "greater than 0"),
        ({"divisor": 0}, "greater than 0"),
        ({"divisor": -255}, "greater than 0"),
        ({"divisor": float("nan")}, "finite"),
        ({"mean": [float("inf"), 0, 0]}, "finite"),
        ({"divisor": 1e-50}, "float32"),
        ({"divisor": 1e39}, "float32"),
        ({"mean": [1e-45, 0, 0]}, "float32"),
        ({"divisor": 1e-37, "std": [1, 1, 1e-3]}, "beyond float32"),
        ({"mean": [-3e38, 0, 0], "std": [0.5, 1, 1]}, "beyond float32"),
        ({"mena": [0, 0, 0]}, "mena"),
    ],
)
def test_refuses(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ImagePreprocess.model_validate(fields)


def test_accepts_the_edges() -> None:
    ImagePreprocess(mean=(0, -1, 3.4e38), std=(1, 1, 1), crop=(8192, 16384))
    ImagePreprocess(divisor=1.1754943508222875e-38 * 2**31)
