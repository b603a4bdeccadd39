"""A model with a [stream] table becomes a bundle of streaming artifacts that are held against the whole form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobilekit.bundle import Bundle
from mobilekit.capture import capture
from mobilekit.data import generated
from mobilekit.errors import CaptureError, ModelError, QuantizeError, UsageError
from mobilekit.model import ModelSource, resolve
from mobilekit.pipeline import ExportOptions, bench_bundle, export_source, verify_bundle
from mobilekit.pipeline.benching import BenchOptions
from mobilekit.pipeline.streaming import (
    MOST_CALLS,
    _stride,
    calibration_calls,
    capture_stream,
    chosen_stream,
    feed_of,
)
from mobilekit.runners import Effort

MODEL = """
import torch
from torch import nn


class Whole(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.gru = nn.GRU(4, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 3)

    def forward(self, sound):
        return self.head(self.gru(sound)[0][:, -1])


class Pieces(Whole):
    def forward(self, sound, state):
        sequence, state = self.gru(sound, state)
        return {"words": self.head(sequence[:, -1]), "next_state": state}


class Other(Pieces):
    def __init__(self, hidden):
        super().__init__(hidden)
        self.more = nn.Linear(2, 2)


class Longer(Pieces):
    def forward(self, sound, state):
        sequence, state = self.gru(sound, state)
        return {"words": self.head(sequence), "next_state": state}


def build(hidden=8, form="Whole"):
    return globals()[form](hidden)
"""
RECIPE = """
name = "tiny"
task = "tensor"

[[inputs]]
name = "sound"
shape = [1, 6, 4]

[stream]
input = "sound"
frames = 2
args = {{ form = "{form}" }}

[[stream.states]]
input = "state"
output = "{output}"
shape = [1, 1, {size}]
"""


def source(folder: Path, form: str = "Pieces", output: str = "next_state", size: int = 8) -> ModelSource:
    (folder / "model.py").write_text(MODEL)
    (folder / "recipe.toml").write_text(RECIPE.format(form=form, output=output, size=size))
    return resolve(str(folder))


def test_the_form_is_streaming_where_there_is_one(tmp_path: Path) -> None:
    recipe = source(tmp_path).recipe
    assert chosen_stream(recipe, None) is chosen_stream(recipe, "stream") is recipe.stream
    assert chosen_stream(recipe, "whole") is None
    whole_only = recipe.model_copy(update={"stream": None})
    assert chosen_stream(whole_only, None) is None
    with pytest.raises(UsageError, match="tiny has no streaming form"):
        chosen_stream(whole_only, "stream")


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"form": "Other"}, ModelError, "the streaming form of tiny has other weights than the whole one"),
        ({"form": "Longer"}, CaptureError, r"gives float32 \[1, 2, 3\] besides its states, the whole one float32"),
        ({"output": "later"}, CaptureError, r"has no output 'later' \(it has words, next_state\)"),
        ({"size": 4}, CaptureError, None),
    ],
)
def test_a_form_that_does_not_go_with_the_whole_is_refused(tmp_path: Path, asked, error, words) -> None:
    given = source(tmp_path, **asked)
    assert given.recipe.stream is not None
    whole = capture(given.build(), given.recipe.inputs)
    with pytest.raises(error, match=words):
        capture_stream(given, given.recipe.stream, whole)


def test_calibration_sees_the_states_that_the_float_form_has(tmp_path: Path) -> None:
    given = source(tmp_path)
    assert given.recipe.stream is not None
    whole = capture(given.build(), given.recipe.inputs)
    step = capture_stream(given, given.recipe.stream, whole)
    samples = generated(given.recipe.inputs, 2, 0, None)
    calls = calibration_calls(step, samples, feed_of(given.recipe.stream, whole.inputs, step.outputs))
    assert len(calls) == 2 * 3
    assert [bool(state.any()) for _, state in calls] == [False, True, True] * 2
    _, handed = step.program.module()(*calls[0]).values()
    assert handed.equal(calls[1][1])
    answer = step.program.module()(*calls[2])["words"]
    assert answer.allclose(whole.program.module()(*map(_tensor, samples.one(0))), atol=1e-6)


def _tensor(array: np.ndarray) -> object:
    import torch

    return torch.from_numpy(array)


@pytest.mark.parametrize(("samples", "calls"), [(1, 1), (256, 7), (256, 49), (1000, 4), (512, 1)])
def test_every_place_of_an_utterance_has_its_turn(samples: int, calls: int) -> None:
    taken = range(0, samples * calls, _stride(samples, calls))
    assert len(taken) <= MOST_CALLS
    assert {at % calls for at in taken} == set(range(calls))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("tiny")
    options = ExportOptions(targets=("xnnpack", "onnx"), schemes=("fp32", "int8"), bench=False)
    return export_source(source(folder), folder / "bundle", options)


@pytest.mark.slow
def test_every_runtime_gives_what_the_whole_form_gives(bundle: Bundle) -> None:
    stream = bundle.manifest.stream
    assert stream is not None
    assert (stream.frames, stream.whole.inputs[0].shape, stream.states[0].output) == (2, (1, 6, 4), "next_state")
    assert [spec.name for spec in bundle.manifest.inputs] == ["sound", "state"]
    for artifact in bundle.manifest.artifacts:
        assert artifact.verification is not None
        assert artifact.verification.passed, artifact.target
        if artifact.scheme == "fp32":
            (check,) = (one for one in artifact.verification.checks if one.name == "stream_error")
            assert check.value is not None
            assert check.value < 1e-5
    assert any("2 of 6 frames" in warning for warning in bundle.manifest.warnings)


@pytest.mark.slow
def test_golden_samples_hold_every_call(bundle: Bundle) -> None:
    sample = bundle.manifest.golden[0]
    assert [tensor.shape for tensor in sample.inputs] == [(1, 6, 4)]
    for output in sample.outputs:
        words, state = output.outputs
        assert (words.name, words.shape, state.name, state.shape) == ("words", (3, 1, 3), "next_state", (3, 1, 1, 8))


@pytest.mark.slow
def test_it_is_measured_again_from_the_bundle_alone(bundle: Bundle) -> None:
    verified = verify_bundle(bundle)
    for again, before in zip(verified.artifacts, bundle.manifest.artifacts, strict=True):
        assert again.verification == before.verification
    timed = bench_bundle(
        bundle, options=BenchOptions(Effort(warmup=1, min_runs=3, min_seconds=0, max_runs=3), rounds=1)
    )
    assert all(artifact.benchmark and artifact.benchmark.latency for artifact in timed.artifacts)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "schemes"), [("xnnpack", ["fp16", "int8-dynamic"]), ("onnx", ["int8-dynamic"])])
def test_it_streams_in_schemes_without_data(target: str, schemes: list[str], tmp_path: Path) -> None:
    made = export_source(
        source(tmp_path), tmp_path / "bundle", ExportOptions(targets=(target,), schemes=tuple(schemes), bench=False)
    )
    for artifact in made.manifest.artifacts[1:]:
        assert artifact.verification is not None and artifact.verification.metrics is not None
        assert artifact.verification.metrics.sqnr_db is not None and artifact.verification.metrics.sqnr_db > 25
        if target == "xnnpack":
            assert artifact.delegation is not None and artifact.delegation.delegates == 1


@pytest.mark.slow
def test_a_stream_with_no_layer_wide_enough_is_refused(tmp_path: Path) -> None:
    options = ExportOptions(targets=("xnnpack",), schemes=("int4-weight-only",), bench=False)
    with pytest.raises(QuantizeError, match="none with a multiple of 32 inputs"):
        export_source(source(tmp_path), tmp_path / "bundle", options)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.slow
def test_the_whole_form_is_one_delegate_too(tmp_path: Path) -> None:
    options = ExportOptions(targets=("xnnpack",), schemes=("fp32",), bench=False, form="whole")
    made = export_source(source(tmp_path), tmp_path / "bundle", options)
    assert made.manifest.stream is None
    delegation = made.manifest.artifacts[1].delegation
    assert delegation is not None
    assert delegation.delegates <= 2, "the recurrent layer in one; a selection of the last frame may stand apart"
