"""Sounds: spoken words as WAV files of many kinds: rates, widths, channels, too short and too long.

espeak-ng speaks them where it is installed; else they are tones with overtones that rise and fall, which is all the
same to a front end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mobilekit.data.espeak import espeak_version, say
from mobilekit.preprocess import resample_sound

Doubles = NDArray[np.float64]
WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
RATE = 16_000
_PCM, _FLOAT = 1, 3


@dataclass(frozen=True)
class Kind:
    """How a sound is stored: sampling rate, channels, bits, and seconds of it."""

    rate: int = RATE
    channels: int = 1
    bits: int = 16
    floats: bool = False
    seconds: float = 1.0


KINDS = (
    Kind(),
    Kind(44_100, 2, 32, floats=True),
    Kind(48_000, 2, 24),
    Kind(8_000, 1, 8),
    Kind(16_000, 1, 32),
    Kind(22_050, 1, 64, floats=True),
    Kind(seconds=0.31),
    Kind(44_100, seconds=1.7),
)


@dataclass(frozen=True)
class Recording:
    """A WAV file; `id` says what it holds and how."""

    id: str
    encoded: bytes


def golden_sounds() -> Iterator[Recording]:
    """One word in each kind of file, and silence."""
    for index, kind in enumerate(KINDS):
        word = WORDS[index % len(WORDS)]
        shape = f"{kind.rate}-{kind.channels}x{'float' if kind.floats else 'int'}{kind.bits}-{kind.seconds:g}s"
        yield Recording(f"{word}-{shape}", wav(_second_of(word, index), kind))
    yield Recording("silence", wav(np.zeros(RATE), Kind()))


def calibration_sounds() -> Iterator[Recording]:
    """Each word twice, otherwise spoken than the golden ones."""
    for index in range(2 * len(WORDS)):
        yield Recording(f"calibration-{index}", wav(_second_of(WORDS[index % len(WORDS)], 100 + index), Kind()))


def wav(sound: Doubles, kind: Kind) -> bytes:
    """`sound` at RATE as the bytes of a WAV file of that kind; the second channel is a little quieter."""
    length = round(kind.seconds * RATE)
    clip = np.concatenate([sound, np.zeros(max(0, length - len(sound)))])[:length]
    mono = resample_sound(clip, RATE, kind.rate, name="golden")
    samples = np.stack([mono * (1 - 0.25 * channel) for channel in range(kind.channels)], axis=1)
    data, frame = _stored(samples, kind), kind.channels * kind.bits // 8
    header = struct.pack(
        "<HHIIHH", _FLOAT if kind.floats else _PCM, kind.channels, kind.rate, kind.rate * frame, frame, kind.bits
    )
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body) + len(data) % 2) + body + b"\0" * (len(data) % 2)


def _stored(samples: Doubles, kind: Kind) -> bytes:
    if kind.floats:
        return samples.astype(f"<f{kind.bits // 8}").tobytes()
    if kind.bits == 8:
        return np.clip(np.rint(samples * 128 + 128), 0, 255).astype(np.uint8).tobytes()
    full = 2.0 ** (kind.bits - 1)
    whole = np.clip(np.rint(samples * full), -full, full - 1).astype("<i8")
    return whole.reshape(-1, 1).view(np.uint8).reshape(-1, 8)[:, : kind.bits // 8].tobytes()


def _second_of(word: str, seed: int) -> Doubles:
    """float64 at RATE, up to a second and a half: the word somewhere in it, a little noise over all of it."""
    rng = np.random.default_rng(seed)
    total = rng.normal(0, 0.003, 3 * RATE // 2)
    spoken = _spoken(word, seed)[: RATE - 2000]
    start = int(rng.integers(0, RATE - len(spoken)))
    total[start : start + len(spoken)] += 0.7 * spoken
    return total


def _spoken(word: str, seed: int) -> Doubles:
    if espeak_version() is None:
        return _sung(word, seed)
    samples, rate = say(word, "en-gb", words_per_minute=140 + seed % 40, pitch=30 + seed % 50)
    return resample_sound(samples / 32768, rate, RATE, name=word)


def _sung(word: str, seed: int) -> Doubles:
    at = np.arange(RATE // 2) / RATE
    pitch = (110 + 7 * seed % 100) * (1 + 0.2 * np.sin(2 * np.pi * (1 + len(word)) * at))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    overtones: Doubles = sum(np.sin((k + 1) * phase) / (k + 1) for k in range(12)) * np.hanning(len(at))
    return overtones / np.abs(overtones).max()
