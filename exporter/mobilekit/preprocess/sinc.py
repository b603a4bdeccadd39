"""Sinc: sound from one sampling rate to another by a windowed sinc, as docs/audio-preprocessing.md states it.

Refuses rates whose ratio is no quotient of small whole numbers, for which the table of weights would be large.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mobilekit.errors import DataError

Doubles = NDArray[np.float64]

ZEROS = 32
"""Zero crossings of the sinc to either side."""
ROLLOFF = 0.95
"""Where the low-pass is 6 dB down, in parts of the lower of the two Nyquist frequencies."""
MOST_PHASES = 1000
"""All customary rates stay below: 44.1 kHz to 16 kHz has 160 phases, 11.025 kHz to 16 kHz has 640."""


def resample_sound(sound: Doubles, rate: int, to: int, *, name: str, most: int | None = None) -> Doubles:
    """float64 (n,) at `rate` Hz -> float64 (ceil(n * to / rate),) at `to` Hz, or the first `most` of these.

    Beyond its ends the sound is taken as 0. Equal rates give the sound itself. Raises DataError naming `name`.
    Source of the method: J. O. Smith, Digital Audio Resampling (the band-limited interpolation of a sampled signal).
    """
    divisor = math.gcd(rate, to)
    step, phases = rate // divisor, to // divisor
    length = -(-len(sound) * phases // step)
    length = length if most is None else min(length, most)
    if step == phases:
        return sound[:length]
    if phases > MOST_PHASES:
        raise DataError(
            f"{name}: {rate:,} Hz is in no simple ratio to the model's {to:,} Hz",
            hint=f"save it at {to} Hz: ffmpeg -i FILE -ar {to} NEW.wav",
        )
    weights = sinc_weights(step, phases)
    taps = weights.shape[0]
    blocks = -(-length // phases)  # outputs `phases` apart have the same weights, `step` inputs further
    first = np.arange(phases) * step // phases + step * np.arange(blocks)[:, None]
    padded = np.zeros(blocks * step + taps)
    used = sound[: len(padded) - taps // 2]
    padded[taps // 2 : taps // 2 + len(used)] = used
    total = np.zeros((blocks, phases))
    for tap in range(taps):  # one after the other, from the earliest
        total += weights[tap] * padded[tap:][first]
    return total.reshape(-1)[:length]


@lru_cache(maxsize=8)
def sinc_weights(step: int, phases: int) -> Doubles:
    """float64 (2 * K + 1, phases): what input floor(t) + tap - K counts in the output at t = n * step / phases.

    Outputs n and n + phases have the same weights.
    """
    cutoff = ROLLOFF * min(1.0, phases / step)
    reach = ZEROS / cutoff
    taps = math.ceil(reach)
    fraction = np.arange(phases) * step % phases / phases
    distance = np.arange(-taps, taps + 1)[:, None] - fraction
    window = np.where(np.abs(distance) < reach, np.cos(distance * (math.pi / 2 / reach)) ** 2, 0.0)
    weights: Doubles = cutoff * np.sinc(cutoff * distance) * window
    return weights
