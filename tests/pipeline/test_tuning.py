"""Whole searches of a network that int8 breaks and two float layers mend: what wins, what is refused, what stays.

Between `wide` and `narrow` one channel is 1,000 times the others, and counts for nothing in the end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mobilekit.bundle import Bundle
from mobilekit.data.arrays import TensorArrays
from mobilekit.data.base import TwoSplits
from mobilekit.errors import (
    CaptureError,
    DataError,
    LowerError,
    MissingDependency,
    OutputExists,
    StorageError,
    UnknownName,
    UsageError,
)
from mobilekit.lower.onnx import Onnx
from mobilekit.model import ModelSource, resolve
from mobilekit.pipeline import TuneOptions, tune
from mobilekit.pipeline.tuning.finals import contenders
from mobilekit.pipeline.tuning.space import Candidate
from mobilekit.report.tuned import TuneResult
from mobilekit.spec import DataSpec, Recipe

SCHEMES = ("fp32", "int8", "mixed")


class Spiky(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.wide, self.narrow, self.head = (nn.Linear(8, 8) for _ in range(4))
        for one in self.children():
            assert isinstance(one, nn.Linear)
            one.weight.data = torch.eye(8) + 0.3 * torch.randn(8, 8, generator=generator)
            one.bias.data.zero_()
        self.wide.weight.data[0] *= 1000
        self.wide.bias.data[0] = 1000
        self.narrow.weight.data[:, 0] = 0

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.narrow(self.wide(self.first(x).relu()).relu()).relu())


@pytest.fixture(scope="module")
def source() -> ModelSource:
    recipe = Recipe.model_validate(
        {
            "name": "spiky",
            "task": "tensor",
            "inputs": [{"name": "x", "shape": ["batch", 8], "dynamic": {"batch": {"min": 1, "max": 16}}}],
            "train": {"validation_fraction": 0.5},
        }
    )
    return ModelSource("python:Spiky", recipe, build=lambda seed=0: Spiky().eval(), trained=True)


@pytest.fixture(scope="module")
def data() -> TwoSplits:
    """The network's own answers are the labels."""
    x = np.random.default_rng(0).standard_normal((400, 8)).astype(np.float32)
    with torch.no_grad():
        y = Spiky()(torch.from_numpy(x)).argmax(1).numpy()
    return TwoSplits("own", None, "tensor", *(TensorArrays("own", n, (x[s],), y[s]) for n, s in _PARTS))


_PARTS = (("train", slice(0, 300)), ("test", slice(300, 400)))


@pytest.fixture(scope="module")
def search(source: ModelSource, data: TwoSplits, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TuneResult]:
    """A small search with a study of its own, unless `into` names a folder that has one."""
    basic = TuneOptions(
        max_drop=2,
        targets=("onnx",),
        schemes=SCHEMES,
        data=DataSpec(name="own", calibration_samples=24, test_samples=100),
        samples=100,
        trials=4,
        final_seconds=0.1,
        threads=1,
    )

    def run(into: Path | None = None, *, model: ModelSource = source, progress: Any = None, **changes: Any) -> Any:
        place = into or tmp_path_factory.mktemp("tune")
        options = replace(basic, storage=str(place / "s.db"), plot=place / "front.svg", **changes)
        told = {"progress": progress} if progress else {}
        return tune(model, place / "bundle", options, dataset=data, **told)

    return run


@pytest.fixture(scope="module")
def first(search: Callable[..., TuneResult], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TuneResult]:
    place = tmp_path_factory.mktemp("first")
    return place, search(place)


@pytest.mark.slow
def test_plain_comes_first_and_the_winner_is_within_the_budget(first: tuple[Path, TuneResult]) -> None:
    place, result = first
    assert [(one.scheme, one.plain) for one in result.trials[:2]] == [("fp32", True), ("int8", True)]
    assert len(result.trials) == 4
    float_, int8 = result.trials[:2]
    assert float_.loss and float_.loss.drop_points == 0
    assert int8.loss and int8.loss.drop_points > 2
    assert result.winner is not None
    assert result.met
    assert result.winner.within(2)
    assert result.finalists[0].median_ms <= result.finalists[-1].median_ms
    assert result.winner.number in {one.trial.number for one in result.finalists}
    assert result.test is not None
    assert result.test.samples == 100
    assert (place / "front.svg").stat().st_size > 1000
    assert {path.name for path in place.iterdir()} == {"bundle", "front.svg", "s.db"}


@pytest.mark.slow
def test_the_winner_is_an_ordinary_bundle_with_the_very_file_that_was_measured(
    first: tuple[Path, TuneResult],
) -> None:
    place, result = first
    bundle = Bundle.load(place / "bundle")
    eager, made = bundle.manifest.artifacts
    assert result.winner is not None
    assert eager.target == "eager"
    assert (made.target, made.scheme, made.sha256) == ("onnx", result.winner.scheme, result.winner.sha256)
    assert made.verification and made.verification.executed
    assert made.benchmark and made.benchmark.latency
    assert result.notes == ()


@pytest.mark.slow
def test_a_search_goes_on_and_a_bundle_is_not_replaced_unasked(
    first: tuple[Path, TuneResult], search: Callable[..., TuneResult]
) -> None:
    place, before = first
    with pytest.raises(OutputExists):
        search(place, trials=5)
    again = search(place, trials=5, force=True)
    assert again.trials[:4] == before.trials
    assert len(again.trials) == 5
    with pytest.raises(UsageError) as caught:
        search(place, max_drop=1.0, objective="size", force=True)
    assert "max drop was 2, now 1" in caught.value.message
    assert "objective was latency, now size" in caught.value.message


@pytest.mark.slow
def test_one_call_searches_only_and_another_chooses_the_smallest(
    search: Callable[..., TuneResult], tmp_path: Path
) -> None:
    small: dict[str, Any] = {"trials": 2, "objective": "size", "schemes": ("fp32", "int8"), "max_drop": 100.0}
    only = search(tmp_path, search_only=True, **small)
    assert (only.winner, only.bundle, only.finalists, len(only.trials)) == (None, None, (), 2)
    assert {path.name for path in tmp_path.iterdir()} == {"s.db"}
    ended = search(tmp_path, **small)
    assert ended.trials == only.trials
    within = [one.trial for one in ended.finalists if one.trial.within(100)]
    assert ended.winner is not None
    assert ended.winner.bytes == min(one.bytes or 0 for one in within)
    assert all(one.sessions is None for one in ended.finalists), "bytes need no race"


@pytest.mark.slow
def test_a_budget_that_nothing_meets_gives_the_most_accurate(search: Callable[..., TuneResult]) -> None:
    result = search(schemes=("int8",), trials=2, max_drop=0.0)
    assert result.winner is not None
    assert not result.met
    losses = [(len(one.loss.failed_checks), one.loss.drop_points) for one in result.trials if one.loss]
    assert result.winner.loss is not None
    assert (len(result.winner.loss.failed_checks), result.winner.loss.drop_points) == min(losses)
    assert Bundle.load(Path(str(result.bundle))).manifest.artifacts[1].scheme == "int8"


@pytest.mark.slow
def test_a_candidate_that_cannot_be_made_is_a_finding_and_the_search_goes_on(
    search: Callable[..., TuneResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    lower = Onnx.lower

    def refuses(self: Onnx, program: Any, scheme: str, path: Path, **options: Any) -> Any:
        if scheme == "int8":
            raise LowerError("onnx: cannot take it")
        return lower(self, program, scheme, path, **options)

    monkeypatch.setattr(Onnx, "lower", refuses)
    result = search(schemes=("fp32", "int8"), trials=2)
    assert [one.error for one in result.trials] == [None, "onnx: cannot take it"]
    assert result.winner is not None
    assert result.winner.scheme == "fp32"
    assert any("is not among the finalists: onnx: cannot take it" in note for note in result.notes)


@pytest.mark.slow
@pytest.mark.parametrize(("error", "goes_on"), [(StorageError("no space left"), False), (KeyboardInterrupt(), True)])
def test_what_is_no_finding_ends_the_search_and_what_was_found_is_kept(
    search: Callable[..., TuneResult],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    error: BaseException,
    goes_on: bool,
) -> None:
    lower = Onnx.lower

    def fails(self: Onnx, program: Any, scheme: str, path: Path, **options: Any) -> Any:
        if scheme == "int8":
            raise error
        return lower(self, program, scheme, path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Onnx, "lower", fails)
        with pytest.raises(type(error)):
            search(tmp_path, schemes=("fp32", "int8"), trials=2)
    assert {path.name for path in tmp_path.iterdir()} == {"s.db"}, "no bundle, no half of one"
    if goes_on:
        result = search(tmp_path, schemes=("fp32", "int8"), trials=2, search_only=True)
        assert [one.scheme for one in result.trials] == ["fp32", "int8"]
        assert [one.number for one in result.trials] == [0, 2], "the one that was interrupted was tried again"


def test_what_cannot_be_searched_is_refused_before_anything_is_done(
    source: ModelSource, search: Callable[..., TuneResult], tmp_path: Path
) -> None:
    def refused(error: type[Exception], words: str, **changes: Any) -> None:
        with pytest.raises(error, match=words):
            search(tmp_path, **changes)
        assert list(tmp_path.iterdir()) == []

    refused(UnknownName, "did you mean 'onnx'", targets=("onx",))
    refused(UsageError, "does not take palettize-4", schemes=("palettize-4",))
    refused(UsageError, "not trained for int8", schemes=("int8-qat",))
    refused(UsageError, "piece by piece", model=resolve("kws_gru"))
    if sys.platform != "darwin":
        refused(MissingDependency, "cannot be measured on this machine", targets=("coreml",))
    (tmp_path / "bundle").mkdir()
    with pytest.raises(OutputExists):
        search(tmp_path)


def test_without_data_there_is_nothing_to_go_by(source: ModelSource, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs samples"):
        tune(source, tmp_path / "out", TuneOptions(targets=("onnx",), storage=str(tmp_path / "s.db")))


@pytest.mark.slow
def test_what_is_no_classifier_is_refused(source: ModelSource, search: Callable[..., TuneResult]) -> None:
    class Widens(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, None, :] * 2.0

    with pytest.raises(UsageError, match="no classifier"):
        search(model=replace(source, build=lambda seed=0: Widens().eval()))


@pytest.mark.slow
def test_a_model_that_cannot_be_captured_leaves_nothing(
    source: ModelSource, search: Callable[..., TuneResult], tmp_path: Path
) -> None:
    class Branches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(CaptureError):
        search(tmp_path, model=replace(source, build=lambda seed=0: Branches().eval()))
    assert list(tmp_path.iterdir()) == []


def test_targets_that_cannot_be_measured_are_left_out_with_a_word(
    source: ModelSource, search: Callable[..., TuneResult], progress: Any
) -> None:
    if sys.platform == "darwin":
        pytest.skip("Core ML runs on this machine")
    with pytest.raises(MissingDependency, match="none of the recipe's targets"):
        only = source.recipe.export.model_copy(update={"targets": ("coreml",)})
        model = replace(source, recipe=source.recipe.model_copy(update={"export": only}))
        search(model=model, targets=None, progress=progress)
    assert any("coreml is left out" in warning for warning in progress.warnings)


@pytest.mark.slow
def test_contenders_are_the_best_within_the_budget(first: tuple[Path, TuneResult]) -> None:
    plain = [one for one in first[1].trials if one.plain]
    trials = {Candidate("onnx", "fp32"): plain[0], Candidate("onnx", "int8"): plain[1]}
    assert contenders(trials, "latency", 2) == [Candidate("onnx", "fp32")]
    assert contenders({Candidate("onnx", "int8"): plain[1]}, "latency", 2) == [Candidate("onnx", "int8")]
    assert contenders({}, "latency", 2) == []
