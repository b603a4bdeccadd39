"""Mistakes: every artifact of a real bundle is run on labelled data, and what it gets wrong is found and drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

import mobilekit
from mobilekit.bundle import Bundle
from mobilekit.errors import DataError, UsageError
from mobilekit.model import resolve
from mobilekit.pipeline import ExportOptions, export_source
from mobilekit.pipeline.mistakes import _mistakes, find_mistakes
from mobilekit.report import report_html
from mobilekit.spec import DataSpec

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    options = ExportOptions(targets=("onnx",), schemes=("fp32",), bench=False)
    return export_source(resolve("digits_cnn"), tmp_path_factory.mktemp("mistakes") / "bundle", options)


@pytest.mark.slow
def test_mistakes_of_a_real_model(digits: Bundle) -> None:
    found = find_mistakes(digits, DataSpec(name="digits", test_samples=359), threads=1)
    metrics = [one.verification.metrics for one in digits.manifest.artifacts if one.verification]
    top1 = min(one.top1 for one in metrics if one is not None and one.top1 is not None)
    assert found.samples == 359 and 0 < found.wrong <= 10
    assert found.wrong >= round((1 - top1) * 359), "no fewer than the worst artifact has"
    for shown in found.shown:
        assert shown.mistakes >= 1 and shown.picture is not None and shown.picture.startswith("data:image/png;base64,")
        assert [guess.artifact for guess in shown.guesses] == ["eager fp32", "onnx fp32"]
        assert all((guess.text == shown.label) == guess.right for guess in shown.guesses)
    html = report_html(digits.path, digits.manifest, mistakes=found)
    assert "<h2>Mistakes</h2>" in html and f"{found.wrong} of 359 samples of digits test" in html
    assert (digits.path / "report.html").read_text().startswith("<!doctype html>\n<!-- made by mobilekit")
    assert mobilekit.Bundle.load(digits.path).manifest.reports[0].file == "report.html"


def test_data_of_other_classes_is_refused() -> None:
    with pytest.raises(DataError, match="has other classes than the bundle"):
        find_mistakes(Bundle.load(GOLDEN), DataSpec(name="digits", test_samples=5))


def test_what_is_no_classifier_is_refused() -> None:
    bundle = Bundle.load(GOLDEN)
    model = bundle.manifest.model.model_copy(update={"task": "tensor"})
    other = Bundle(bundle.path, bundle.manifest.model_copy(update={"model": model}))
    with pytest.raises(UsageError, match="is not a classifier"):
        find_mistakes(other, DataSpec(name="digits", test_samples=5))


def test_what_only_an_artifact_gets_wrong_comes_first() -> None:
    from mobilekit.data import materialize, open_dataset, subset
    from mobilekit.spec import ImagePreprocess, Resize, TensorSpec

    dataset = open_dataset("digits", seed=0)
    preprocess = ImagePreprocess(resize=Resize(size=(8, 8)), color="L")
    spec = TensorSpec(name="image", shape=(1, 1, 8, 8))
    samples = materialize(subset(dataset.split("test"), 4, seed=0), (spec,), preprocess)
    assert samples.labels is not None
    right = [int(label) for label in samples.labels]
    off = [(label + 1) % 10 for label in right]
    eager = [right[0], off[1], off[2], right[3]]
    other = [off[0], off[1], right[2], right[3]]
    found = _mistakes(samples, {"eager fp32": eager, "xnnpack int8": other}, ())
    assert [shown.id for shown in found.shown] == [samples.ids[0], samples.ids[1], samples.ids[2]]
    assert (found.wrong, found.lost, found.samples) == (3, 1, 4)
    assert found.shown[0].label == f"class {right[0]}"
