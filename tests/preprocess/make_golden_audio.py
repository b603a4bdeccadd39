"""Writes tests/golden/audio: short WAV files, their choices, and what docs/audio-preprocessing.md makes of them.

Run by hand, once. The plain code of the page and SciPy's WAV writer are the source, nothing of mobilekit. The files
must not change: a change here is a change of the contract.
"""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import wavfile

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests/golden/audio"
DEFAULTS = {
    "kind": "audio", "sample_rate": 16000, "clip_samples": 1600, "preemphasis": 0.0, "window": "hann",
    "window_samples": 640, "hop_samples": 320, "fft_size": 1024, "mels": 40, "mel_scale": "htk", "mel_norm": "none",
    "fmin": 20.0, "fmax": 7600.0, "log": "ln", "log_floor": 0.0, "log_offset": 1e-6, "mean": [], "std": [],
}  # fmt: skip
SMALL = {"clip_samples": 600, "window_samples": 200, "hop_samples": 100, "fft_size": 256, "mels": 12, "fmin": 60.0}
CASES: dict[str, tuple[int, str, int, int, dict[str, Any]]] = {
    "defaults-16-bit": (16_000, "int16", 1700, 1, {"mean": [-3.25], "std": [3.875]}),
    "short-8-bit-stereo-slaney": (
        16_000, "uint8", 500, 2,
        SMALL | {"mel_scale": "slaney", "mel_norm": "slaney", "log": "log10", "log_floor": 1e-8, "log_offset": 0.0},
    ),
    "float-44100-hamming-preemphasis": (44_100, "float32", 1800, 1, SMALL | {"window": "hamming", "preemphasis": 0.97}),
    "32-bit-48000-stereo": (48_000, "int32", 1900, 2, SMALL | {"mean": [-2.0] * 12, "std": [1.0, 2.0, 4.0] * 4}),
    "16-bit-8000-up": (8_000, "int16", 250, 1, SMALL),
}  # fmt: skip


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    page = (ROOT / "docs/audio-preprocessing.md").read_text(encoding="utf-8")
    plain: dict[str, Any] = {}
    exec("\n".join(re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)), plain)
    for index, (name, (rate, dtype, length, channels, choices)) in enumerate(CASES.items()):
        sound = sweep(rate, length, channels, index)
        stored, values = quantized(sound, dtype)
        spec = DEFAULTS | choices
        mono = plain["mono"](values.tolist())
        waveform = plain["clipped"](plain["resampled"](mono, rate, spec["sample_rate"]), spec["clip_samples"])
        stream = io.BytesIO()
        wavfile.write(stream, rate, stored)
        case = {
            "source": "docs/audio-preprocessing.md's code; the WAV file by SciPy",
            "spec": spec,
            "encoded": base64.b64encode(stream.getvalue()).decode(),
            "waveform": [float(f"{value:.9g}") for value in waveform],
            "features": [[float(f"{value:.9g}") for value in row] for row in plain["features"](waveform, spec)],
        }
        (FOLDER / f"{name}.json").write_text(json.dumps(case) + "\n", encoding="utf-8")


def sweep(rate: int, length: int, channels: int, seed: int) -> np.ndarray:
    """float64 (length, channels): a tone that rises, with noise."""
    at = np.arange(length) / rate
    noise = np.random.default_rng(seed).uniform(-0.05, 0.05, (length, channels))
    return 0.6 * np.sin(2 * np.pi * (300 * at + 20_000 * at**2))[:, None] / np.arange(1, channels + 1) + noise


def quantized(sound: np.ndarray, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """The array as a file stores it, and the float64 values that it stands for."""
    if dtype == "float32":
        stored = sound.astype(np.float32)
        return stored, stored.astype(np.float64)
    scale = {"uint8": 2.0**7, "int16": 2.0**15, "int32": 2.0**31}[dtype]
    offset = 128 if dtype == "uint8" else 0
    whole = np.rint(sound * scale)
    return (whole + offset).astype(dtype), whole / scale


if __name__ == "__main__":
    main()
