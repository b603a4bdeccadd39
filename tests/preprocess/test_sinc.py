"""Resampling: against a direct sum in plain Python and against what a perfect one would give."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.errors import DataError
from mobilekit.preprocess import resample_sound


@settings(max_examples=40)
@given(
    rates=st.sampled_from([(44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (22_050, 16_000), (11_025, 16_000)]),
    length=st.integers(1, 120),
    seed=st.integers(0, 1000),
)
def test_it_is_the_page_s_sum(plain_audio: dict, rates: tuple[int, int], length: int, seed: int) -> None:
    sound = np.random.default_rng(seed).uniform(-1, 1, length)
    made = resample_sound(sound, *rates, name="x")
    assert len(made) == math.ceil(length * rates[1] / rates[0])
    expected = plain_audio["resampled"](sound.tolist(), *rates)
    assert np.abs(made - expected).max() < 1e-13


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_a_tone_stays_a_tone_and_what_16_khz_cannot_hold_is_gone(rate: int) -> None:
    at, edge = np.arange(rate // 4) / rate, 400
    tone = resample_sound(np.sin(2 * np.pi * 1000 * at), rate, 16_000, name="x")
    perfect = np.sin(2 * np.pi * 1000 * np.arange(len(tone)) / 16_000)
    assert np.abs(tone - perfect)[edge:-edge].max() < 1e-5  # -100 dB
    if rate > 20_000:
        alias = resample_sound(np.sin(2 * np.pi * 9000 * at), rate, 16_000, name="x")
        assert np.abs(alias)[edge:-edge].max() < 10 ** (-70 / 20)


def test_equal_rates_change_nothing_and_most_cuts() -> None:
    sound = np.random.default_rng(0).uniform(-1, 1, 500)
    assert resample_sound(sound, 16_000, 16_000, name="x") is not sound
    assert (resample_sound(sound, 16_000, 16_000, name="x") == sound).all()
    whole = resample_sound(sound, 44_100, 16_000, name="x")
    assert (resample_sound(sound, 44_100, 16_000, name="x", most=70) == whole[:70]).all()


def test_a_rate_in_no_simple_ratio_is_refused() -> None:
    with pytest.raises(DataError, match=r"x\.wav: 44,101 Hz is in no simple ratio") as caught:
        resample_sound(np.zeros(9), 44_101, 16_000, name="x.wav")
    assert "ffmpeg" in str(caught.value.hint)
