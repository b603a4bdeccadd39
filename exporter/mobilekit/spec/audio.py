"""Audio preprocessing as the contract states it: from a WAV file or a microphone to log-mel features.

docs/audio-preprocessing.md defines every step; this file names the choices and refuses those that no sound could
satisfy. Nothing depends on the whole utterance, so that a phone computes frame after frame as the sound comes:
decode, mix to mono, resample, cut or pad, pre-emphasis, frame, window, power spectrum, mel filters, log, and per value
`(x - mean) / std`.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mobilekit.spec.base import Spec

MelScale = Literal["htk", "slaney"]
Constant = Annotated[float, Field(ge=-1e6, le=1e6)]
_LONGEST_CLIP = 2**24
_BREAK_HZ, _BREAK_MEL, _LOG_STEP = 1000.0, 15.0, math.log(6.4) / 27  # Slaney, Auditory Toolbox, 1998


class AudioPreprocess(Spec):
    """The exact way from sound to a float32 tensor of shape (1, frames, mels). Lengths are in samples."""

    kind: Literal["audio"] = "audio"
    sample_rate: Annotated[int, Field(ge=4_000, le=192_000)] = 16_000
    clip_samples: Annotated[int, Field(ge=1, le=_LONGEST_CLIP)] = Field(
        default=16_000, description="at sample_rate: longer sounds are cut at their end, shorter ones padded with 0"
    )
    preemphasis: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.0, description="x[n] - preemphasis * x[n - 1]")
    window: Literal["hann", "hamming"] = "hann"
    window_samples: Annotated[int, Field(ge=2, le=65_536)] = 640
    hop_samples: Annotated[int, Field(ge=1)] = 320
    fft_size: Annotated[int, Field(ge=2, le=65_536)] = 1024
    mels: Annotated[int, Field(ge=1, le=512)] = 40
    mel_scale: MelScale = "htk"
    mel_norm: Literal["none", "slaney"] = Field(default="none", description="slaney: each filter has the area 1")
    fmin: Annotated[float, Field(ge=0)] = Field(default=20.0, description="Hz, where the first filter begins")
    fmax: Annotated[float, Field(gt=0)] = Field(default=7600.0, description="Hz, where the last filter ends")
    log: Literal["ln", "log10"] = "ln"
    log_floor: Annotated[float, Field(ge=0, le=1e6)] = Field(default=0.0, description="log(max(x, floor) + offset)")
    log_offset: Annotated[float, Field(ge=0, le=1e6)] = 1e-6
    mean: tuple[Constant, ...] = Field(default=(), description="one for all, or one for each mel; none: 0")
    std: tuple[Annotated[float, Field(ge=1e-6, le=1e6)], ...] = Field(default=(), description="as mean; none: 1")

    @model_validator(mode="after")
    def _lengths_fit(self) -> Self:
        if self.fft_size & (self.fft_size - 1):
            raise ValueError(f"fft_size must be a power of two, given {self.fft_size}")
        if self.window_samples > self.fft_size:
            raise ValueError(f"window_samples {self.window_samples} does not fit in fft_size {self.fft_size}")
        if self.hop_samples > self.window_samples:
            raise ValueError(f"hop_samples {self.hop_samples} would leave out sound between windows")
        if self.clip_samples < self.window_samples:
            raise ValueError(f"clip_samples {self.clip_samples} is shorter than one window ({self.window_samples})")
        return self

    @model_validator(mode="after")
    def _every_filter_hears_something(self) -> Self:
        if not self.fmin < self.fmax <= self.sample_rate / 2:
            raise ValueError(
                f"fmin < fmax <= sample_rate / 2 must hold: {self.fmin:g} < {self.fmax:g} <= {self.sample_rate / 2:g}"
            )
        points, width = self.mel_points(), self.sample_rate / self.fft_size
        for index, (low, high) in enumerate(zip(points, points[2:], strict=False)):
            if (math.floor(low / width) + 1) * width >= high:
                raise ValueError(
                    f"mel filter {index} ({low:.1f} to {high:.1f} Hz) lies between two bins ({width:.1f} Hz apart); "
                    "use a larger fft_size or fewer mels"
                )
        return self

    @model_validator(mode="after")
    def _constants_fit(self) -> Self:
        for field, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (0, 1, self.mels):
                raise ValueError(f"{field} needs no value, 1, or {self.mels} (one for each mel), given {len(values)}")
        if self.log_floor + self.log_offset < 1e-30:
            raise ValueError("log_floor and log_offset: one must be 1e-30 or more, since silence has the power 0")
        return self

    @property
    def frames(self) -> int:
        """How many windows fit into a clip."""
        return 1 + (self.clip_samples - self.window_samples) // self.hop_samples

    def mel_points(self) -> tuple[float, ...]:
        """mels + 2 frequencies in Hz, evenly spaced in mel: filter i rises from point i to i + 1, falls to i + 2."""
        low, high = hz_to_mel(self.fmin, self.mel_scale), hz_to_mel(self.fmax, self.mel_scale)
        step = (high - low) / (self.mels + 1)
        return tuple(mel_to_hz(low + i * step, self.mel_scale) for i in range(self.mels + 2))


def hz_to_mel(hz: float, scale: MelScale) -> float:
    """The mel scale: O'Shaughnessy's formula as HTK has it, or Slaney's, linear up to 1 kHz."""
    if scale == "htk":
        return 2595.0 * math.log10(1.0 + hz / 700.0)
    return hz * 3.0 / 200.0 if hz < _BREAK_HZ else _BREAK_MEL + math.log(hz / _BREAK_HZ) / _LOG_STEP


def mel_to_hz(mel: float, scale: MelScale) -> float:
    """The inverse of hz_to_mel."""
    if scale == "htk":
        return 700.0 * (math.pow(10.0, mel / 2595.0) - 1.0)
    return mel * 200.0 / 3.0 if mel < _BREAK_MEL else _BREAK_HZ * math.exp(_LOG_STEP * (mel - _BREAK_MEL))
