"""Golden vectors hold the bytes that they say, and tolerances that follow the outputs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from mobilekit.bundle.manifest import Artifact
from mobilekit.data import generated
from mobilekit.pipeline.golden import DEFAULT_COUNT, OUTPUT_TOLERANCE, write_golden
from mobilekit.preprocess import audio_features, decode_audio
from mobilekit.quantize import SCHEMES
from mobilekit.spec import AudioPreprocess, ImagePreprocess, Resize, TensorSpec

IMAGE = TensorSpec(name="image", shape=(1, 3, 6, 5))
SCORES = TensorSpec(name="scores", shape=(1, 2))
PREPROCESS = ImagePreprocess(resize=Resize(size=(6, 5)))


def artifact(scheme: str) -> Artifact:
    return Artifact(
        file=f"m.{scheme}.onnx",
        bytes=1,
        sha256="0" * 64,
        target="onnx",
        scheme=scheme,
        runtime="onnxruntime",
        minimum_runtime="1",
        inputs=(IMAGE,),
        outputs=(SCORES,),
    )


def test_the_first_samples_all_the_way(tmp_path: Path) -> None:
    samples = generated((IMAGE,), 9, 0, PREPROCESS)
    rows = [(np.array([[index, -4.0]], np.float32),) for index in range(9)]
    golden = write_golden(
        tmp_path,
        samples,
        (IMAGE,),
        [artifact("fp32"), artifact("int8"), artifact("fp16")],
        {("onnx", "fp32"): rows, ("onnx", "int8"): rows},
    )
    assert len(golden) == DEFAULT_COUNT
    for index, sample in enumerate(golden):
        assert [output.scheme for output in sample.outputs] == ["fp32", "int8"], "what did not run has no outputs"
        assert [output.max_abs_error for output in sample.outputs] == [4 * 1e-4, 4 * 0.1]
        stored = np.frombuffer((tmp_path / sample.outputs[0].outputs[0].file).read_bytes(), "<f4")
        assert stored.tolist() == [index, -4.0]
        given = np.frombuffer((tmp_path / sample.inputs[0].file).read_bytes(), "<f4").reshape(1, 3, 6, 5)
        assert (given == samples.one(index)[0]).all()
        assert sample.encoded is not None
        encoded = (tmp_path / sample.encoded.file).read_bytes()
        pixels = np.asarray(Image.open(io.BytesIO(encoded)))
        assert pixels.tobytes() == (tmp_path / sample.pixels.file).read_bytes()


def test_every_scheme_has_a_tolerance() -> None:
    assert set(OUTPUT_TOLERANCE) == set(SCHEMES)


def test_a_sound_all_the_way(tmp_path: Path) -> None:
    spec = AudioPreprocess(clip_samples=400, window_samples=200, hop_samples=100, fft_size=256, mels=8, fmin=60.0)
    inputs = (TensorSpec(name="features", shape=(1, 3, 8)),)
    samples = generated(inputs, 3, 0, spec)
    for index, sample in enumerate(write_golden(tmp_path, samples, inputs, [], {})):
        assert sample.pixels is None and sample.encoded is not None and sample.waveform is not None
        assert (sample.waveform.shape, sample.input_max_abs_error) == ((400,), 1e-4)
        encoded = (tmp_path / sample.encoded.file).read_bytes()
        waveform = np.frombuffer((tmp_path / sample.waveform.file).read_bytes(), "<f4")
        assert sample.encoded.file.endswith("sound.wav") and (decode_audio(encoded, spec, name="x") == waveform).all()
        given = np.frombuffer((tmp_path / sample.inputs[0].file).read_bytes(), "<f4").reshape(1, 3, 8)
        assert (given == samples.one(index)[0]).all() and (given == audio_features(waveform, spec)).all()


def test_tensors_have_no_image(tmp_path: Path) -> None:
    inputs = (TensorSpec(name="x", shape=(4, 3)),)
    samples = generated(inputs, 2, 0, None)
    (first, _) = write_golden(tmp_path, samples, inputs, [artifact("fp32")], {})
    assert (first.encoded, first.pixels, first.input_max_abs_error, first.outputs) == (None, None, 0.0, ())
    assert first.inputs[0].shape == (4, 3)
