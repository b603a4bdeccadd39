"""A small model of sounds all the way: WAV files in folders, trained, exported, verified, with golden sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobilekit import Bundle
from mobilekit.errors import DataError
from mobilekit.model import resolve
from mobilekit.pipeline import ExportOptions, export_source, train_source, verify_bundle
from mobilekit.pipeline.evidence import find
from mobilekit.preprocess import encode_wav, preprocess_audio
from mobilekit.spec import AudioPreprocess, DataSpec, Recipe, TensorSpec

RECIPE = """
name = "tones"
task = "audio-classification"
labels = ["high", "low"]
[dynamic.batch]
max = 4
[[inputs]]
name = "features"
shape = ["batch", 9, 16]
[preprocess]
kind = "audio"
sample_rate = 8000
clip_samples = 2000
window_samples = 400
hop_samples = 200
fft_size = 512
mels = 16
fmax = 4000.0
mean = [-2.0]
std = [4.0]
[train]
epochs = 3
batch_size = 8
learning_rate = 0.02
"""
CODE = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution, self.linear = nn.Conv1d(16, 8, 3), nn.Linear(8, 2)

    def forward(self, features):
        return self.linear(self.convolution(features.transpose(1, 2)).relu().mean(2))


def build():
    return Net()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """model/ and tones/: ten speakers, each with a high and a low tone, recorded at 16 kHz."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/recipe.toml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "model/model.py").write_text(CODE, encoding="utf-8")
    rng = np.random.default_rng(0)
    for word, hz in (("high", 2500), ("low", 300)):
        (tmp_path / "tones" / word).mkdir(parents=True)
        for speaker in range(10):
            for number in range(3):
                tone = np.sin(2 * np.pi * hz * (1 + 0.02 * speaker) * np.arange(4400) / 16_000)
                sound = (9000 * tone + rng.normal(0, 300, 4400)).astype(np.int16)
                (tmp_path / "tones" / word / f"s{speaker}_nohash_{number}.wav").write_bytes(encode_wav(sound, 16_000))
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(900)  # three times torch: to train, to export and to run
def test_train_export_and_verify(folder: Path) -> None:
    data = DataSpec(name=f"wavfolder:{folder / 'tones'}", calibration_samples=8)
    train_source(resolve(str(folder / "model")), folder / "run", data=data, device="cpu")
    options = ExportOptions(targets=("onnx",), schemes=("fp32", "int8"), data=data, bench=False)
    bundle = export_source(resolve(str(folder / "run")), folder / "bundle", options)
    assert (bundle.manifest.model.task, bundle.manifest.preprocess.kind) == ("audio-classification", "audio")  # type: ignore[union-attr]
    assert all(one.verification.passed for one in bundle.manifest.shipped)  # type: ignore[union-attr]
    assert {one.verification.metrics.top1 for one in bundle.manifest.shipped} == {1.0}  # type: ignore[union-attr]
    check_golden(Bundle.load(bundle.path))
    again = verify_bundle(bundle)
    assert again.test_data == bundle.manifest.test_data


def check_golden(bundle: Bundle) -> None:
    for sample in bundle.manifest.golden:
        assert sample.encoded is not None and sample.waveform is not None and sample.pixels is None
        encoded = (bundle.path / sample.encoded.file).read_bytes()
        made = preprocess_audio(encoded, bundle.manifest.preprocess, name=sample.id)  # type: ignore[arg-type]
        assert np.abs(made - bundle.golden_tensor(sample.inputs[0])).max() <= sample.input_max_abs_error
        assert bundle.golden_tensor(sample.waveform).shape == (2000,)


def test_data_of_another_kind_is_refused_at_once(folder: Path) -> None:
    words = Recipe(
        name="words", inputs=(TensorSpec(name="x", shape=(1, 49, 40)),), preprocess=AudioPreprocess(), labels=None
    )
    with pytest.raises(DataError, match="digits holds images, and the model 'words' takes sounds"):
        find(words, DataSpec(name="digits"))
    vector = Recipe(name="vector", task="tensor", inputs=(TensorSpec(name="x", shape=(1, 4)),))
    with pytest.raises(DataError, match="tones holds sounds, and the model 'vector' says nothing about preproc"):
        find(vector, DataSpec(name=f"wavfolder:{folder / 'tones'}"))
