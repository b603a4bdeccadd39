"""What the apps' tests are fed with: pictures, sounds and random cases are what they are said to be."""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import golden_bundles
import pictures
import sounds

from mobilekit.errors import MobilekitError
from mobilekit.preprocess import read_wav, resample_sound
from mobilekit.preprocess.image import decode_image
from mobilekit.spec import ImagePreprocess


@pytest.fixture(scope="module")
def golden() -> list[pictures.Picture]:
    return list(pictures.golden_pictures(large=None))


def test_every_orientation_is_there_and_shows_upright(golden: list[pictures.Picture]) -> None:
    found = {}
    for one in golden:
        with Image.open(io.BytesIO(one.encoded)) as image:
            orientation = image.getexif().get(pictures.ORIENTATION)
            if orientation is not None:
                upright = decode_image(one.encoded, ImagePreprocess(), name=one.id)
                found[orientation] = (upright.shape[0] == image.width) != (image.width == image.height)
    assert found == {value: value >= 5 for value in range(1, 9)}


def test_grey_alpha_and_a_single_pixel_are_there(golden: list[pictures.Picture]) -> None:
    modes, sizes = {}, set()
    for one in golden:
        with Image.open(io.BytesIO(one.encoded)) as image:
            modes[image.mode] = image.format
            sizes.add(image.size)
    assert modes == {"RGB": "JPEG", "L": "JPEG", "RGBA": "PNG"}
    assert (1, 1) in sizes
    assert len(sizes) == len(golden)


def test_the_large_photo_is_24_megapixels() -> None:
    assert pictures.LARGE == (6000, 4000)
    *_, last = pictures.golden_pictures(large=(600, 400))
    with Image.open(io.BytesIO(last.encoded)) as image:
        assert image.size == (600, 400)


def test_calibration_shows_other_pictures(golden: list[pictures.Picture]) -> None:
    cuts = list(pictures.calibration_pictures(6))
    assert {one.subject for one in cuts} == set(pictures.SUBJECTS)
    assert not {one.encoded for one in cuts} & {one.encoded for one in golden}


@pytest.mark.parametrize("kind", sounds.KINDS, ids=str)
def test_a_sound_is_stored_as_it_says(kind: sounds.Kind) -> None:
    rng = np.random.default_rng(0)
    sound = rng.uniform(-0.4, 0.4, 2000)  # a resampled peak may be higher
    wav = read_wav(sounds.wav(sound, kind), name="test")
    assert (wav.rate, wav.samples.shape[1]) == (kind.rate, kind.channels)
    clip = np.zeros(round(kind.seconds * sounds.RATE))
    clip[:2000] = sound[: len(clip)]
    expected = resample_sound(clip, sounds.RATE, kind.rate, name="test")
    step = {True: 1e-6, False: 2.0 ** (1 - kind.bits)}[kind.floats]
    assert np.abs(wav.samples[:, 0] - expected).max() <= step


def test_sounds_without_espeak_are_sounds_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "espeak_version", lambda: None)
    recordings = list(sounds.golden_sounds())
    assert len({one.id for one in recordings}) == len(sounds.KINDS) + 1
    for one in recordings[:-1]:
        loudest = np.abs(read_wav(one.encoded, name=one.id).samples).max()
        assert 0.1 < loudest <= 1


def test_random_cases_are_the_same_every_time_and_go_everywhere() -> None:
    cases = golden_bundles.random_cases()
    assert golden_bundles.random_cases(3) == cases[:3]
    specs = [ImagePreprocess.model_validate(case["preprocess"]) for case in cases]
    assert {spec.resize.interpolation for spec in specs if spec.resize} >= {"nearest", "box", "bicubic", "lanczos"}
    assert {spec.resize.mode for spec in specs if spec.resize} == {"stretch", "cover", "fit"}
    assert {spec.color for spec in specs} == {"RGB", "BGR", "L"}
    for case in cases:
        tensor = case["tensor"]
        assert isinstance(tensor, dict)
        assert len(base64.b64decode(tensor["base64"])) == 4 * np.prod(tensor["shape"])


def test_a_bundle_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "lenet").mkdir()
    (tmp_path / "lenet" / "bundle.json").write_text("mine")
    assert golden_bundles.make_bundle("lenet", tmp_path) == tmp_path / "lenet"
    assert (tmp_path / "lenet" / "bundle.json").read_text() == "mine"


def test_what_fails_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: Path) -> None:
        raise MobilekitError("no compiler")

    monkeypatch.setattr(golden_bundles, "write_runner", refuse)
    monkeypatch.setattr(sys, "argv", ["golden_bundles.py", str(tmp_path / "new"), "--only", "runner"])
    assert golden_bundles.main() == 1
    assert capsys.readouterr().err == "error: no compiler\n"
