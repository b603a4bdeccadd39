"""docs/preprocessing.md is what runs: its code, its numbers, its tables; and golden files that must not change."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mobilekit.preprocess import decode_image, geometry, normalize, resample, resized_size, to_pixels
from mobilekit.preprocess.resample import windows
from mobilekit.spec.image import MAX_PIXELS, MAX_SIDE, ImagePreprocess, Interpolation, Resize

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs/preprocessing.md").read_text(encoding="utf-8")
GOLDEN = REPOSITORY / "tests/golden/preprocess"
CASES = sorted(path for path in GOLDEN.glob("*.json") if path.name != "decode.json")
INTERPOLATIONS = get_args(Interpolation)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """The page's own code, run."""
    names: dict[str, Any] = {}
    exec("\n".join(blocks("python")), names)
    return names


sides = st.integers(1, 14)


@settings(max_examples=150)
@given(data=st.data())
def test_the_page_s_code_is_the_package(plain: dict[str, Any], data: st.DataObject) -> None:
    image = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))).integers(
        0, 256, (data.draw(sides), data.draw(sides), 3), dtype=np.uint8
    )
    color = data.draw(st.sampled_from(["RGB", "BGR", "L"]))
    constants = st.sampled_from([0.1, 0.485, 1.0, 117.3])
    channels = 1 if color == "L" else 3
    per_channel = st.lists(constants, min_size=channels, max_size=channels) | st.just([])
    resize = data.draw(
        st.none()
        | st.builds(
            Resize,
            size=st.tuples(sides, sides),
            mode=st.sampled_from(["stretch", "cover", "fit"]),
            interpolation=st.sampled_from(INTERPOLATIONS),
            antialias=st.booleans(),
            pad_value=st.integers(0, 255),
        )
    )
    cover = resize is not None and resize.mode == "cover"
    crop = data.draw(st.tuples(sides, sides) if cover else st.none() | st.tuples(sides, sides))
    spec = ImagePreprocess(
        color=color,
        resize=resize,
        crop=crop,
        divisor=data.draw(st.sampled_from([1.0, 127.5, 255.0])),
        mean=tuple(data.draw(per_channel)),
        std=tuple(data.draw(per_channel)),
        layout=data.draw(st.sampled_from(["NCHW", "NHWC"])),
    )

    expected = plain["to_tensor"](image.tolist(), json.loads(spec.model_dump_json()))

    assert normalize(to_pixels(image, spec), spec).ravel().tolist() == expected


@settings(max_examples=150)
@given(
    m=st.integers(1, 300),
    n=st.integers(1, 300),
    interpolation=st.sampled_from([name for name in INTERPOLATIONS if name != "nearest"]),
    antialias=st.booleans(),
)
def test_the_page_s_weights(
    plain: dict[str, Any], *, m: int, n: int, interpolation: Interpolation, antialias: bool
) -> None:
    window = windows(m, n, interpolation, antialias)
    for output, (first, weights) in enumerate(plain["windows"](m, n, interpolation, antialias)):
        assert window.index[output, : len(weights)].tolist() == list(range(first, first + len(weights)))
        assert window.weights[output].tolist() == weights + [0] * (window.weights.shape[1] - len(weights))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_page_s_orientations(plain: dict[str, Any], orientation: int) -> None:
    from mobilekit.preprocess.decode import _UPRIGHT

    stored = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = Image.fromarray(stored)
    upright = image.transpose(_UPRIGHT[orientation]) if orientation > 1 else image
    assert plain["oriented"](stored.tolist(), orientation) == np.asarray(upright).tolist()


@given(source=st.tuples(*[st.integers(1, 9999)] * 2), size=st.tuples(*[st.integers(1, 9999)] * 2))
def test_the_page_s_sizes(plain: dict[str, Any], source: tuple[int, int], size: tuple[int, int]) -> None:
    for mode in ("stretch", "cover", "fit"):
        assert plain["resized_size"](*source, *size, mode) == resized_size(source, Resize(size=size, mode=mode))
    for difference in range(20):
        assert plain["half_to_even"](difference) == geometry._half_to_even(difference) == round(difference / 2)


def test_the_worked_example(plain: dict[str, Any]) -> None:
    examples = [json.loads(block) for block in blocks("json")]
    assert [example["antialias"] for example in examples] == [True, False]
    for example in examples:
        row, size, antialias = example["row"], example["size"], example["antialias"]
        by_page = plain["windows"](len(row), size, example["interpolation"], antialias)
        by_package = windows(len(row), size, example["interpolation"], antialias)
        for number, output in enumerate(example["outputs"]):
            first, weights = output["first"], output["weights"]
            assert by_page[number] == (first, weights)
            assert by_package.index[number, : len(weights)].tolist() == list(range(first, first + len(weights)))
            assert by_package.weights[number, : len(weights)].tolist() == weights
            total = 2**21 + sum(weight * row[first + tap] for tap, weight in enumerate(weights))
            assert (output["total"], output["pixel"]) == (total, total >> 22)
        pixels = [output["pixel"] for output in example["outputs"]]
        image = np.array([row], dtype=np.uint8)
        assert resample(image, (1, size), example["interpolation"], antialias).tolist() == [pixels]
        if "normalized" in example:
            constants = {name: example[name] for name in ("divisor", "mean", "std")}
            spec = ImagePreprocess(
                color="L", divisor=constants["divisor"], mean=(constants["mean"],), std=(constants["std"],)
            )
            values = normalize(np.array([pixels], dtype=np.uint8)[..., None], spec).ravel()
            np.testing.assert_array_equal(values, np.array(example["normalized"], dtype=np.float32))
            assert [plain["normalized"](pixel, **constants) for pixel in pixels] == values.tolist()


def test_the_page_names_every_field_choice_and_limit() -> None:
    for name in ImagePreprocess.model_fields:
        assert f"`{name}`" in PAGE
    for name in Resize.model_fields:
        assert f"`resize.{name}`" in PAGE
    for name in INTERPOLATIONS:
        assert f"`{name}`" in PAGE and f'`"{name}"`' in PAGE
    assert f"{MAX_PIXELS:,}" in PAGE and f"{MAX_SIDE:,}" in PAGE


def test_there_are_golden_files() -> None:
    assert len(CASES) >= 10
    assert {json.loads(path.read_text())["preprocess"]["resize"] is None for path in CASES} == {True, False}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden_pixels_and_tensor(plain: dict[str, Any], path: Path) -> None:
    golden = json.loads(path.read_text())
    image, pixels = (_array(golden[name], np.uint8) for name in ("image", "pixels"))
    tensor = _array(golden["tensor"], np.float32)
    spec = ImagePreprocess.model_validate(golden["preprocess"])

    result = to_pixels(image, spec)

    np.testing.assert_array_equal(result, pixels)
    np.testing.assert_array_equal(normalize(result, spec), tensor)
    assert plain["to_tensor"](image.tolist(), golden["preprocess"]) == tensor.ravel().tolist()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden_resizes_by_numpy_alone(path: Path) -> None:
    golden = json.loads(path.read_text())
    image, pixels = (_array(golden[name], np.uint8) for name in ("image", "pixels"))
    spec = ImagePreprocess.model_validate(golden["preprocess"])
    if spec.color == "L":
        image = to_pixels(image, ImagePreprocess(color="L"))
    if spec.color == "BGR":
        image = image[..., ::-1]
    if spec.resize:
        size = resized_size((image.shape[0], image.shape[1]), spec.resize)
        image = resample(image, size, spec.resize.interpolation, spec.resize.antialias)
        if spec.resize.mode == "fit":
            image = geometry.pad_to_center(image, spec.resize.size, spec.resize.pad_value)
    if spec.crop:
        image = geometry.center_crop(image, spec.crop)
    np.testing.assert_array_equal(image, pixels)


def test_golden_files_are_decoded() -> None:
    files = json.loads((GOLDEN / "decode.json").read_text())["files"]
    assert len(files) >= 16
    for file in files:
        result = decode_image(base64.b64decode(file["base64"]), ImagePreprocess(), name=file["name"])
        np.testing.assert_array_equal(result, _array(file["pixels"], np.uint8), err_msg=file["name"])


def _array(content: dict[str, Any], dtype: Any) -> np.ndarray:
    return np.array(content["values"], dtype=dtype).reshape(content["shape"])
