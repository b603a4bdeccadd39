"""Audio preprocessing's choices: what is refused, and the two mel scales against published values."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mobilekit.errors import SpecError
from mobilekit.spec import AudioPreprocess, ImagePreprocess, Recipe, parse_recipe
from mobilekit.spec.audio import hz_to_mel, mel_to_hz

RECIPE = """
name = "words"
task = "audio-classification"
[[inputs]]
name = "features"
shape = [1, {frames}, {mels}]
[preprocess]
{preprocess}
"""


def read(preprocess: str, frames: int = 49, mels: int = 40) -> Recipe:
    return parse_recipe(RECIPE.format(preprocess=preprocess, frames=frames, mels=mels))


def test_the_defaults_are_one_second_of_49_frames() -> None:
    spec = AudioPreprocess()
    assert (spec.frames, spec.mels, spec.sample_rate, spec.clip_samples) == (49, 40, 16_000, 16_000)
    assert spec.mel_points()[0] == pytest.approx(20) and spec.mel_points()[-1] == pytest.approx(7600)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"fft_size": 1000}, "power of two"),
        ({"window_samples": 1025}, "does not fit in fft_size"),
        ({"hop_samples": 641}, "leave out sound"),
        ({"clip_samples": 639}, "shorter than one window"),
        ({"fmax": 8001}, "sample_rate / 2"),
        ({"fmin": 7600}, "fmin < fmax"),
        ({"fft_size": 512, "window_samples": 400, "mels": 128}, r"mel filter 1 .* lies between two bins \(31.2 Hz"),
        ({"mean": (1.0, 2.0)}, "mean needs no value, 1, or 40"),
        ({"std": (0.0,)}, "greater than or equal to"),
        ({"log_offset": 0.0}, "silence has the power 0"),
        ({"preemphasis": 1.0}, "less than 1"),
        ({"sample_rate": 100}, "greater than or equal to 4000"),
    ],
)
def test_what_no_sound_could_satisfy(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        AudioPreprocess.model_validate(given)


def test_frames_count_whole_windows_only() -> None:
    spec = {"window_samples": 400, "hop_samples": 160, "fft_size": 512}
    assert [AudioPreprocess(clip_samples=n, **spec).frames for n in (400, 559, 560, 16_000)] == [1, 1, 2, 98]


def test_mel_scales() -> None:
    # 1 kHz is 1000 mel by definition (HTK's rounding: 999.99); 15 by Slaney's, whose next 27 steps are a factor 6.4.
    assert hz_to_mel(1000, "htk") == pytest.approx(1000, abs=0.02)
    assert (hz_to_mel(1000, "slaney"), hz_to_mel(6400, "slaney")) == (15, pytest.approx(42))
    for scale in ("htk", "slaney"):
        for hz in (0, 20, 440, 999.9, 1000, 7600, 20_000):
            assert mel_to_hz(hz_to_mel(hz, scale), scale) == pytest.approx(hz, abs=1e-9)


def test_a_recipe_tells_image_from_sound_by_kind() -> None:
    assert isinstance(read('kind = "audio"').preprocess, AudioPreprocess)
    image = parse_recipe('name = "a"\npreprocess = {}\n[[inputs]]\nname = "x"\nshape = [1, 3, 8, 8]\n')
    assert isinstance(image.preprocess, ImagePreprocess)


def test_the_input_must_be_what_preprocessing_makes() -> None:
    with pytest.raises(SpecError, match=r"preprocess makes frames, mels \(49, 40\), but input 'features' is \[1, 50"):
        read('kind = "audio"', frames=50)


@pytest.mark.parametrize(
    ("preprocess", "says"),
    [
        ('kind = "video"', "preprocess: kind must be 'image' or 'audio'"),
        ('kind = "audio"\nmell = 3', "preprocess.mell: no such field, did you mean mels?"),
        ('kind = "audio"\nhop_samples = "3"', "preprocess.hop_samples: must be a whole number"),
        ('colour = "RGB"', "preprocess.colour: no such field, did you mean color?"),
        ('kind = "audio"\ncolor = "RGB"', "preprocess.color: no such field"),
    ],
)
def test_problems_are_told_in_the_file_s_words(preprocess: str, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(preprocess)
    assert says in str(caught.value)


def test_json_keeps_every_field() -> None:
    spec = AudioPreprocess(mean=(1.5,), mel_scale="slaney")
    assert AudioPreprocess.model_validate_json(spec.model_dump_json()) == spec
