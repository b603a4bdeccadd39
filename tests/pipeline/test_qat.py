"""Training for int8, from the command to the file: a run like any other, exported as what it was trained for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mobilekit.bundle import Bundle
from mobilekit.errors import UsageError
from mobilekit.model import load_run_card, resolve
from mobilekit.model.ranges import Ranges, load_ranges, write_ranges
from mobilekit.pipeline import ExportOptions, export_source, train_source
from mobilekit.pipeline.publishing import command_of
from mobilekit.pipeline.qat import for_int8, start_of
from mobilekit.pipeline.quantizing import Settings, default_schemes, missed_budgets, settings_for
from mobilekit.spec import QuantizeSpec, TrainSpec

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """digits_cnn, from its own weights, two epochs on for int8."""
    folder = tmp_path_factory.mktemp("qat") / "run"
    source = resolve("digits_cnn", weights=str(start_of("digits_cnn")))
    train_source(source, folder, spec=for_int8(source.recipe.train), device="cpu", qat="digits_cnn")
    return folder


@slow
def test_a_run_trained_for_int8_is_exported_as_that(run: Path, tmp_path: Path) -> None:
    card = load_run_card(run)
    assert (card.status, card.qat) == ("complete", "digits_cnn")
    assert card.test_top1 is not None and card.test_top1 > 0.97
    assert command_of(card, resolve(str(run)).recipe).startswith("mobilekit train digits_cnn --qat digits_cnn --set")

    source = resolve(str(run))
    assert source.ranges == run / "qat.json"
    assert default_schemes(source, None) == ("fp32", "int8-qat")
    options = ExportOptions(targets=("xnnpack", "onnx"), bench=False)
    bundle = export_source(source, tmp_path / "bundle", options)
    (quantization,) = bundle.manifest.quantization
    ranges = load_ranges(run / "qat.json")
    assert (quantization.scheme, quantization.rule, quantization.tried) == ("int8-qat", ranges.rule, ())
    assert quantization.quantized == quantization.candidates > 0
    for artifact in bundle.shipped:
        verification = artifact.verification
        assert verification is not None and verification.passed, verification
        metrics = verification.metrics
        assert metrics is not None and metrics.top1 is not None
        if artifact.scheme == "int8-qat":
            assert abs(metrics.top1 - card.test_top1) <= 2 / metrics.samples, "what training measured is what runs"


@slow
def test_its_weights_alone_are_an_ordinary_model(run: Path) -> None:
    assert resolve("digits_cnn", weights=str(run / "best.safetensors")).ranges is None
    with pytest.raises(UsageError, match="was not trained for int8") as caught:
        settings_for("int8-qat", resolve("digits_cnn"), None)
    assert "--qat RUN" in (caught.value.hint or "")


@slow
def test_resuming_takes_the_same_start_only(run: Path) -> None:
    source = resolve("digits_cnn")
    with pytest.raises(UsageError, match="--qat was digits_cnn, now None"):
        train_source(source, run, spec=for_int8(source.recipe.train), resume=True)


def test_a_model_without_weights_is_no_start() -> None:
    with pytest.raises(UsageError, match="has no trained weights") as caught:
        start_of("mobilenet_v2")
    assert "train it in float first" in (caught.value.hint or "")


def test_the_rate_is_small_and_the_epochs_few() -> None:
    spec = for_int8(TrainSpec(epochs=70, learning_rate=0.1, schedule="step", milestones=(30,), warmup_epochs=2))
    assert (spec.epochs, spec.learning_rate, spec.schedule, spec.milestones) == (7, 0.002, "cosine", ())
    assert TrainSpec.model_validate(spec.model_dump()) == spec


def test_a_budget_makes_scheme_mixed_and_no_other() -> None:
    source, options = resolve("digits_cnn"), QuantizeSpec(max_drop=0.2)
    assert default_schemes(source, options) == ("fp32", "int8", "mixed")
    assert settings_for("mixed", source, options).options.max_drop == 0.2
    assert settings_for("mixed", source, None).options.max_drop == 0.5
    assert settings_for("int8", source, options).options.max_drop is None


def test_a_budget_in_the_recipe_is_one_too() -> None:
    source = resolve("digits_cnn")
    recipe = source.recipe.model_copy(update={"quantize": QuantizeSpec(max_drop=0.2)})
    source = replace(source, recipe=recipe)
    assert default_schemes(source, None) == ("fp32", "int8", "mixed")
    assert settings_for("mixed", source, None).options.max_drop == 0.2
    assert default_schemes(source, QuantizeSpec()) == ("fp32", "int8"), "taken back on the command line"


def test_what_training_was_prepared_with_is_what_the_bundle_says(tmp_path: Path) -> None:
    ranges = Ranges(options=QuantizeSpec(percentile=99.0), rule="percentile", samples=8, activations={})
    write_ranges(tmp_path, ranges)
    source = replace(resolve("digits_cnn"), ranges=tmp_path / "qat.json")
    for options in (None, QuantizeSpec(observer="mse", max_drop=1.0)):
        assert settings_for("int8-qat", source, options) == Settings(ranges.options, ranges)


def test_a_budget_that_was_missed_is_told(tmp_path: Path) -> None:
    manifest = Bundle.load(Path(__file__).parents[1] / "golden" / "bundle", check=False).manifest
    (one,) = manifest.quantization
    assert one.options is not None and one.options.max_drop is not None
    missed = one.model_copy(update={"drop_points": one.options.max_drop + 1})
    (sentence,) = missed_budgets([missed], manifest.artifacts)
    assert "was not met on the calibration samples" in sentence
    int8 = next(artifact for artifact in manifest.artifacts if artifact.scheme == "int8")
    raw = json.loads(int8.model_dump_json())
    raw["verification"]["metrics"] |= {"top1": 0.5, "top1_eager": 0.9}
    worse = type(int8).model_validate_json(json.dumps(raw))
    (sentence,) = missed_budgets([one], [worse])
    assert "40.00 points are lost" in sentence
    assert missed_budgets([one.model_copy(update={"drop_points": None})], [worse]) == ()
