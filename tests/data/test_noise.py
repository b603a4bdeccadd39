"""Noise has the colour, the loudness and the repeatability that it says."""

from __future__ import annotations

import numpy as np
import pytest

from mobilekit.data.noise import babble, coloured, hum, mixed, rms


@pytest.mark.parametrize(("kind", "per_octave"), [("white", 0.0), ("pink", -3.01), ("brown", -6.02)])
def test_colours_fall_by_octaves(kind: str, per_octave: float) -> None:
    power = np.abs(np.fft.rfft(coloured(kind, 2**16, 0, "x"))) ** 2  # type: ignore[arg-type]
    low, high = power[500:1000].mean(), power[8000:16_000].mean()
    assert 10 * np.log10(high / low) / 4 == pytest.approx(per_octave, abs=0.3)


def test_hum_is_at_the_mains_frequency() -> None:
    peaks = {int(np.abs(np.fft.rfft(hum(16_000, 16_000, 0, f"{n}"))).argmax()) for n in range(8)}
    assert peaks == {50, 60}


@pytest.mark.parametrize("snr_db", [0.0, 5.0, 30.0])
def test_the_ratio_of_speech_to_noise(snr_db: float) -> None:
    speech, noise = np.sin(np.arange(400)), coloured("white", 1000, 0, "x")
    total = mixed(speech, noise, 300, snr_db)
    added = total.copy()
    added[300:700] -= speech
    assert 20 * np.log10(rms(speech) / rms(added)) == pytest.approx(snr_db, abs=1e-6)


def test_the_same_again_and_another_for_another_purpose() -> None:
    voices = [np.sin(np.arange(n) / n) for n in (50, 90)]
    first, again, other = (babble(voices, 200, 0, purpose) for purpose in ("a", "a", "b"))
    assert (first == again).all() and (first != other).any() and first.shape == (200,)
