"""Candidates: drawn, suggested and written down in one form; and the samples that a search goes by."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.data import subset
from mobilekit.data.arrays import TensorArrays
from mobilekit.data.base import TwoSplits
from mobilekit.errors import DataError
from mobilekit.model import ModelSource, resolve
from mobilekit.pipeline.tuning.selection import selection
from mobilekit.pipeline.tuning.space import Candidate, Space, candidate_of
from mobilekit.quantize import Ranking
from mobilekit.spec import DataSpec, QuantizeSpec
from mobilekit.train.data import divided

BASE = QuantizeSpec()
PAIRS = (("xnnpack", "fp32"), ("xnnpack", "int8"), ("onnx", "fp32"), ("onnx", "int8"), ("onnx", "mixed"))
SPACE = Space((*PAIRS, ("onnx", "int8-dynamic"), ("onnx", "int8-qat")), BASE, lambda: 5)
LAYERS = Ranking(
    by_cost=("c", "a", "b", "e", "d"),
    in_order=("a", "b", "c", "d", "e"),
    by_work=("d", "b", "a", "c", "e"),
    depthwise=("e", "b"),
)


@given(st.integers(0, 2**31))
def test_a_candidate_is_found_again_from_what_a_trial_says(seed: int) -> None:
    one = SPACE.drawn(random.Random(seed))
    assert candidate_of(one.params()) == one
    assert SPACE.suggested(optuna.trial.FixedTrial(one.params())) == one
    assert (one.floating > 0) == (one.scheme == "mixed")
    assert one.floating < 5, "one layer at least is int8"
    assert (one.observer is None) == (one.scheme in ("fp32", "int8-dynamic", "int8-qat"))


def test_plain_is_what_an_export_makes() -> None:
    base = QuantizeSpec(observer="mse", bias_correction=True)
    space = Space(PAIRS, base, lambda: 5)
    plain = space.plain(["xnnpack", "onnx"], "int8")
    assert [one.params()["variant"] for one in plain] == ["xnnpack:fp32", "xnnpack:int8", "onnx:fp32", "onnx:int8"]
    assert all(one.options(base, lambda: LAYERS) == base for one in plain)
    assert [one.name(base) for one in plain[:2]] == ["xnnpack fp32", "xnnpack int8"]
    assert Space((("onnx", "mixed"),), base, lambda: 5).plain(["onnx"], "int8") == []


@pytest.mark.parametrize(
    ("order", "floating"),
    [
        ("costly", ("c", "a")),
        ("light", ("d", "b")),
        ("depthwise", ("e", "b")),
        ("first", ("a", "b")),
        ("last", ("e", "d")),
    ],
)
def test_layers_stay_float_by_cost_or_from_an_end(order, floating: tuple[str, ...]) -> None:
    one = Candidate("onnx", "mixed", "mse", "mse", True, False, 2, order)
    options = one.options(BASE, lambda: LAYERS)
    assert options == QuantizeSpec(observer="mse", weight_observer="mse", bias_correction=True, floating=floating)
    assert one.name(BASE) == f"onnx mixed, 2 {order} layers float, observer mse, weights by mse, bias correction"


def test_depthwise_layers_above_3x3_and_all_of_them_are_tried_early() -> None:
    found = SPACE.hints((25, 25, 9, 9, 9))
    assert [(one.target, one.scheme, one.order, one.floating) for one in found] == [
        ("onnx", "mixed", "depthwise", 2),
        ("onnx", "mixed", "depthwise", 5),
    ]
    assert [one.floating for one in SPACE.hints((9, 9))] == [2], "once"
    assert SPACE.hints(()) == []
    few = Candidate("onnx", "mixed", floating=4, observer="mse", order="depthwise")
    assert few.options(BASE, lambda: LAYERS).floating == ("e", "b")


def test_without_depthwise_layers_the_lightest_stay_float() -> None:
    one = Candidate("onnx", "mixed", "mse", "mse", True, False, 2, "depthwise")
    plain = replace(LAYERS, depthwise=())
    assert one.options(BASE, lambda: plain).floating == ("d", "b")


def _data(labels: list[int], files: int = 0) -> TwoSplits:
    x = np.arange(len(labels), dtype=np.float32).reshape(-1, 1)
    part = TensorArrays("t", "train", (x,), np.array(labels))
    return TwoSplits("t", None, "tensor", part, TensorArrays("t", "test", (x,), np.array(labels)))


@pytest.fixture
def source() -> ModelSource:
    return resolve("mlp")


@pytest.mark.parametrize("calibrating", [1, 40, 300])
def test_it_is_chosen_by_what_training_held_back_and_calibration_did_not_see(
    source: ModelSource, calibrating: int
) -> None:
    data, spec = _data([index % 4 for index in range(400)]), DataSpec(name="t", seed=3)
    calibration = subset(data.split("train"), calibrating, seed=3)
    found = selection(source, data, spec, calibration, 1000)
    _, back = divided(data, seed=3, validation_fraction=source.recipe.train.validation_fraction)
    places = {found.split.indices[index] for index in found.indices}
    assert places == set(back.indices) - set(calibration.indices)
    labels = selection(source, data, spec, calibration, 4).labels()
    assert labels is not None
    assert sorted(np.bincount(labels)) == [1, 1, 1, 1]


def test_nothing_left_to_choose_by_is_refused(source: ModelSource) -> None:
    data = _data([index % 2 for index in range(20)])
    everything = subset(data.split("train"), None, seed=0)
    with pytest.raises(DataError, match="no training sample is left") as caught:
        selection(source, data, DataSpec(name="t"), everything, 10)
    assert "--calibration-samples" in str(caught.value.hint)
