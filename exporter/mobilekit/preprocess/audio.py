"""Audio: a WAV file -> waveform -> log-mel features, in the order that docs/audio-preprocessing.md states.

Inside, everything is float64; the waveform and the features are rounded to float32 once. Nothing is summed in an
order that depends on how much sound there is, so that frames computed one at a time have the bits of the whole.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mobilekit.errors import DataError
from mobilekit.preprocess.sinc import resample_sound
from mobilekit.preprocess.wav import read_wav
from mobilekit.spec.audio import AudioPreprocess

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def preprocess_audio(encoded: bytes, spec: AudioPreprocess, *, name: str) -> Floats:
    """A WAV file -> float32 (1, frames, mels). Raises DataError naming `name` for one that cannot be read."""
    return audio_features(decode_audio(encoded, spec, name=name), spec, name=name)


def decode_audio(encoded: bytes, spec: AudioPreprocess, *, name: str) -> Floats:
    """A WAV file -> float32 (clip_samples,): mono, at the model's rate, cut at its end or padded there with 0.

    Raises DataError naming `name` for a file that cannot be read, or whose rate is in no simple ratio to the model's.
    """
    # A second more than the clip: what the low-pass reaches into beyond it is far less.
    wav = read_wav(encoded, name=name, most_seconds=spec.clip_samples / spec.sample_rate + 1)
    mono = np.add.accumulate(wav.samples, axis=1)[:, -1] / wav.samples.shape[1]
    sound = resample_sound(mono, wav.rate, spec.sample_rate, name=name, most=spec.clip_samples)
    with np.errstate(over="ignore"):
        waveform = to_clip(sound.astype(np.float32), spec)
    if not np.isfinite(waveform).all():
        raise DataError(f"{name}: its samples are beyond float32", hint="floats of -1 to 1 are usual")
    return waveform


def to_clip(waveform: Floats, spec: AudioPreprocess) -> Floats:
    """float32 (n,) -> float32 (clip_samples,): the first ones, and zeros after them where they are too few."""
    clip = np.zeros(spec.clip_samples, np.float32)
    clip[: len(waveform)] = waveform[: spec.clip_samples]
    return clip


def audio_features(waveform: Floats, spec: AudioPreprocess, *, name: str = "audio") -> Floats:
    """float32 (n,) at the model's rate -> float32 (1, frames, mels), frames being how many windows fit into n.

    Raises DataError naming `name` for another dtype or shape, for less than one window, and for NaN.
    """
    if waveform.ndim != 1 or waveform.dtype != np.float32 or len(waveform) < spec.window_samples:
        raise DataError(
            f"{name}: a waveform must be float32 ({spec.window_samples} or more,), given {waveform.dtype} "
            f"{list(waveform.shape)}",
            hint="decode_audio() makes it",
        )
    if not np.isfinite(waveform).all():
        raise DataError(f"{name}: the waveform holds NaN or infinity")
    return AudioStream(spec).push(waveform)[None]


class AudioStream:
    """Features of sound that comes piece by piece: the same bits as audio_features gives for all of it at once."""

    def __init__(self, spec: AudioPreprocess) -> None:
        self._spec = spec
        self._sample_before = 0.0
        self._kept: Doubles = np.zeros(0)

    def push(self, samples: Floats) -> Floats:
        """float32 (n,), any n, at the model's rate -> float32 (k, mels): the k frames that these complete."""
        spec = self._spec
        sound = samples.astype(np.float64)
        if spec.preemphasis and len(sound):
            before = np.concatenate([[self._sample_before], sound[:-1]])
            self._sample_before = float(sound[-1])
            sound = sound - spec.preemphasis * before
        sound = np.concatenate([self._kept, sound])
        count = max(0, 1 + (len(sound) - spec.window_samples) // spec.hop_samples)
        self._kept = sound[count * spec.hop_samples :]
        if count == 0:
            return np.zeros((0, spec.mels), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(sound, spec.window_samples)
        return _log_mel(windows[:: spec.hop_samples][:count], spec)


def _log_mel(frames: Doubles, spec: AudioPreprocess) -> Floats:
    """float64 (k, window_samples) -> float32 (k, mels)."""
    spectrum = np.fft.rfft(frames * window_function(spec), n=spec.fft_size, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    mel = np.empty((len(frames), spec.mels))
    for index, (first, weights) in enumerate(mel_filters(spec)):
        # From the lowest bin on, one after the other: other sums would depend on the number of frames.
        mel[:, index] = np.add.accumulate(power[:, first : first + len(weights)] * weights, axis=1)[:, -1]
    logarithm = {"ln": np.log, "log10": np.log10}[spec.log]
    logs = logarithm(np.maximum(mel, spec.log_floor) + spec.log_offset)
    normalized: Floats = ((logs - np.array(spec.mean or (0.0,))) / np.array(spec.std or (1.0,))).astype(np.float32)
    return normalized


@lru_cache(maxsize=32)
def window_function(spec: AudioPreprocess) -> Doubles:
    """float64 (window_samples,): periodic Hann, 0.5 - 0.5 cos(2 pi n / N), or Hamming, 0.54 - 0.46 cos(2 pi n / N)."""
    a = {"hann": 0.5, "hamming": 0.54}[spec.window]
    angle = 2 * np.pi * np.arange(spec.window_samples) / spec.window_samples
    window: Doubles = a - (1 - a) * np.cos(angle)
    return window


@lru_cache(maxsize=32)
def mel_filters(spec: AudioPreprocess) -> tuple[tuple[int, Doubles], ...]:
    """For each filter its first FFT bin and its weights from there on, those above 0.

    Triangles over the bins' frequencies between mel_points, 1 at the middle one (or of area 1, by `mel_norm`).
    """
    points = spec.mel_points()
    frequency = np.arange(spec.fft_size // 2 + 1) * (spec.sample_rate / spec.fft_size)
    filters = []
    for low, middle, high in zip(points, points[1:], points[2:], strict=False):
        weights = np.minimum((frequency - low) / (middle - low), (high - frequency) / (high - middle))
        bins = np.flatnonzero(weights > 0)
        scale = 2.0 / (high - low) if spec.mel_norm == "slaney" else 1.0
        filters.append((int(bins[0]), weights[bins] * scale))
    return tuple(filters)
