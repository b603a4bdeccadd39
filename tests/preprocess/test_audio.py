"""Features: against the page's own code, SciPy, golden values; and frame by frame with the bits of the whole."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import wavfile

from mobilekit.errors import DataError
from mobilekit.preprocess import AudioStream, audio_features, decode_audio, encode_wav, preprocess_audio, to_clip
from mobilekit.preprocess.audio import mel_filters, window_function
from mobilekit.spec import AudioPreprocess

GOLDEN = sorted((Path(__file__).resolve().parents[1] / "golden/audio").glob("*.json"))
SMALL = {"clip_samples": 400, "window_samples": 60, "hop_samples": 25, "fft_size": 64, "mels": 5, "fmin": 100.0}

specs = st.builds(
    AudioPreprocess,
    sample_rate=st.just(8000),
    clip_samples=st.integers(64, 200),
    preemphasis=st.sampled_from([0.0, 0.97]),
    window=st.sampled_from(["hann", "hamming"]),
    window_samples=st.integers(40, 64),
    hop_samples=st.integers(10, 40),
    fft_size=st.sampled_from([64, 128]),
    mels=st.integers(1, 6),
    mel_scale=st.sampled_from(["htk", "slaney"]),
    mel_norm=st.sampled_from(["none", "slaney"]),
    fmin=st.sampled_from([0.0, 150.0]),
    fmax=st.sampled_from([3000.0, 4000.0]),
    log=st.sampled_from(["ln", "log10"]),
    log_floor=st.sampled_from([0.0, 1e-3]),
    mean=st.sampled_from([(), (-3.25,)]),
    std=st.sampled_from([(), (2.5,)]),
)


def noise(length: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(length) * 0.1).astype(np.float32)


@settings(max_examples=12)
@given(spec=specs, seed=st.integers(0, 1000))
def test_the_page_s_code_is_the_package(plain_audio: dict, spec: AudioPreprocess, seed: int) -> None:
    waveform = noise(spec.clip_samples, seed)
    made = audio_features(waveform, spec)
    assert made.shape == (1, spec.frames, spec.mels) and made.dtype == np.float32
    expected = plain_audio["features"](waveform.tolist(), json.loads(spec.model_dump_json()))
    assert np.abs(made[0] - np.array(expected)).max() < 1e-5  # one rounding to float32, another FFT's order of sums


def test_against_scipy() -> None:
    """Window, framing and FFT by SciPy, filters by their definition, all in float64."""
    spec, waveform = AudioPreprocess(), noise(16_000)
    window = scipy.signal.get_window("hann", 640, fftbins=True)
    frames = np.stack([waveform[at : at + 640] for at in range(0, 16_000 - 639, 320)]).astype(np.float64)
    power = np.abs(scipy.fft.rfft(frames * window, 1024)) ** 2
    points = 700 * (10 ** (np.linspace(*(2595 * np.log10(1 + np.array([20, 7600]) / 700)), 42) / 2595) - 1)
    bins = np.arange(513) * 16_000 / 1024
    bank = np.stack([np.interp(bins, points[i : i + 3], [0, 1, 0]) for i in range(40)], axis=1)
    expected = np.log(power @ bank + 1e-6)
    assert np.abs(audio_features(waveform, spec)[0] - expected).max() < 1e-5


@settings(max_examples=50)
@given(spec=specs, pieces=st.lists(st.integers(0, 90), min_size=1, max_size=30))
def test_piece_by_piece_has_the_bits_of_the_whole(spec: AudioPreprocess, pieces: list[int]) -> None:
    waveform = noise(spec.clip_samples)
    stream, at, made = AudioStream(spec), 0, []
    for piece in [*pieces, spec.clip_samples]:
        made.append(stream.push(waveform[at : at + piece]))
        at += piece
    assert (np.concatenate(made) == audio_features(waveform, spec)[0]).all()


def test_piece_by_piece_at_full_size() -> None:
    spec, waveform = AudioPreprocess(), noise(16_000)
    stream = AudioStream(spec)
    made = [stream.push(waveform[at : at + 320]) for at in range(0, 16_000, 320)]
    assert [len(one) for one in made] == [0, *[1] * 49]
    assert (np.concatenate(made) == audio_features(waveform, spec)[0]).all()


def test_short_clips_are_padded_and_long_ones_cut_at_their_end() -> None:
    spec = AudioPreprocess(**SMALL)
    sound = np.arange(1, 501, dtype=np.int16)
    decoded = decode_audio(encode_wav(sound, 16_000), spec, name="x")
    assert (decoded * 32768 == sound[:400]).all()
    short = decode_audio(encode_wav(sound[:100], 16_000), spec, name="x")
    assert (short[:100] * 32768 == sound[:100]).all() and not short[100:].any() and len(short) == 400
    assert (to_clip(short[:100], spec) == short).all()


def test_channels_are_averaged() -> None:
    stream = io.BytesIO()
    wavfile.write(stream, 16_000, np.array([[100, 300], [-50, 51]], np.int16))
    decoded = decode_audio(stream.getvalue(), AudioPreprocess(**SMALL), name="x")
    assert (decoded[:2] * 32768).tolist() == [200, 0.5]


def test_what_lies_beyond_the_clip_makes_no_difference() -> None:
    spec, sound = AudioPreprocess(**SMALL), noise(200_000)
    whole, part = (decode_audio(encode_wav(one, 44_100), spec, name="x") for one in (sound, sound[:5000]))
    assert (whole == part).all()


def test_a_constant_for_all_or_one_for_each_mel() -> None:
    waveform = noise(400)
    plain = audio_features(waveform, AudioPreprocess(**SMALL))
    one = audio_features(waveform, AudioPreprocess(**SMALL, mean=(1.0,), std=(2.0,)))
    each = audio_features(waveform, AudioPreprocess(**SMALL, mean=(1.0,) * 5, std=(2.0, 2.0, 4.0, 2.0, 2.0)))
    assert np.allclose(one, (plain - 1) / 2, atol=1e-6)
    assert np.allclose(each[..., 2], (plain[..., 2] - 1) / 4, atol=1e-6) and (each[..., :2] == one[..., :2]).all()


def test_silence_is_finite() -> None:
    features = audio_features(np.zeros(400, np.float32), AudioPreprocess(**SMALL))
    assert (features == np.float32(np.log(1e-6))).all()


def test_windows_and_filters() -> None:
    hann = window_function(AudioPreprocess(**SMALL))
    assert np.allclose(hann, scipy.signal.get_window("hann", 60)) and hann[0] == 0
    hamming = window_function(AudioPreprocess(**SMALL, window="hamming"))
    assert np.allclose(hamming, scipy.signal.get_window("hamming", 60))
    for (first, plain), (again, area) in zip(
        mel_filters(AudioPreprocess()), mel_filters(AudioPreprocess(mel_norm="slaney")), strict=True
    ):
        assert first == again and 0 < plain.max() <= 1 and np.allclose(area / plain, (area / plain)[0])


@pytest.mark.parametrize(
    "bad",
    [np.zeros(59, np.float32), np.zeros((1, 400), np.float32), np.zeros(400), np.full(400, np.nan, np.float32)],
)
def test_what_is_no_waveform(bad: np.ndarray) -> None:
    with pytest.raises(DataError, match="me: "):
        audio_features(bad, AudioPreprocess(**SMALL), name="me")


def test_floats_beyond_float32_are_refused() -> None:
    stream = io.BytesIO()
    wavfile.write(stream, 16_000, np.array([1e300]))
    with pytest.raises(DataError, match="beyond float32"):
        decode_audio(stream.getvalue(), AudioPreprocess(**SMALL), name="x")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_features(path: Path) -> None:
    """From a WAV file in base64 to features, computed once by the page's plain code."""
    case = json.loads(path.read_text(encoding="utf-8"))
    spec = AudioPreprocess.model_validate(case["spec"])
    encoded = base64.b64decode(case["encoded"])
    waveform = decode_audio(encoded, spec, name=path.stem)
    assert np.abs(waveform - np.array(case["waveform"], np.float32)).max() <= 1e-7
    features = preprocess_audio(encoded, spec, name=path.stem)
    assert features.shape == (1, *np.shape(case["features"]))
    assert np.abs(features[0] - np.array(case["features"], np.float32)).max() <= 1e-5


def test_there_are_golden_files() -> None:
    assert len(GOLDEN) >= 4
