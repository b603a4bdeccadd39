"""Noise: what a microphone hears besides the speaker, the same for the same seed and purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mobilekit.data.sampling import normal, uniform

Doubles = NDArray[np.float64]
NoiseKind = Literal["white", "pink", "brown", "hum", "babble"]

_SLOPES = {"white": 0.0, "pink": 0.5, "brown": 1.0}
"""Amplitude falls with this power of the frequency: power by 0, 3 or 6 dB an octave."""
_HARMONICS = 8


def coloured(kind: NoiseKind, length: int, seed: int, purpose: str) -> Doubles:
    """float64 (length,): white, pink or brown noise, of no particular loudness."""
    spectrum = np.fft.rfft(normal((length,), seed, purpose))
    frequency = np.arange(len(spectrum), dtype=np.float64)
    frequency[0] = np.inf  # no constant part
    shaped: Doubles = np.fft.irfft(spectrum / frequency ** _SLOPES[kind], n=length)
    return shaped


def hum(length: int, rate: int, seed: int, purpose: str) -> Doubles:
    """float64 (length,): mains hum of 50 or 60 Hz with harmonics, a little hiss over it."""
    choice, *phases = uniform((_HARMONICS + 1,), seed, purpose).tolist()
    base = 50.0 if choice < 0.5 else 60.0
    at = np.arange(length) / rate
    tones = [np.sin(2 * np.pi * (base * k * at + phase)) / k for k, phase in enumerate(phases, start=1)]
    return np.asarray(np.sum(tones, axis=0) + 0.05 * normal((length,), seed, f"{purpose} hiss"))


def babble(voices: Sequence[Doubles], length: int, seed: int, purpose: str) -> Doubles:
    """float64 (length,): each of `voices` from a random place on, around the end again, all equally loud."""
    total = np.zeros(length)
    for voice, start in zip(voices, uniform((len(voices),), seed, purpose).tolist(), strict=True):
        total += np.roll(np.resize(voice, length), int(start * length)) / rms(voice)
    return total


def mixed(speech: Doubles, noise: Doubles, at: int, snr_db: float) -> Doubles:
    """`speech` from sample `at` on, over the whole of `noise`, quieter than it by `snr_db` (root mean squares)."""
    total = noise * (rms(speech) / rms(noise) * 10 ** (-snr_db / 20))
    total[at : at + len(speech)] += speech
    return total


def rms(sound: Doubles) -> float:
    """The root of the mean square; never 0."""
    return float(np.sqrt(np.mean(sound**2))) + 1e-12
