"""`mobilekit.export`: wrong arguments are refused in words, and the caller's module stays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import mobilekit
from mobilekit.data.arrays import TensorArrays
from mobilekit.data.base import TwoSplits
from mobilekit.errors import CaptureError, OutputExists, SpecError, UnknownName, UsageError, WeightsError
from mobilekit.pipeline.api import _snake
from mobilekit.spec import DataSpec, ImagePreprocess

ONNX = {"targets": "onnx", "bench": False}


class Two(nn.Module):
    """Two inputs; its batch norm is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.norm.eval()
        self.head = nn.Linear(6, 3)

    def forward(self, vector: torch.Tensor, index: torch.Tensor) -> dict[str, torch.Tensor]:
        both = torch.cat([self.norm(vector), index.float()], 1)
        return {"scores": self.head(both), "total": both.sum(1, keepdim=True)}


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        ({"targets": ["xnpack"]}, UnknownName, "did you mean 'xnnpack'"),
        ({"quantize": "int9"}, UnknownName, "did you mean 'int8'"),
        ({"targets": "onnx", "quantize": ["fp32", "palettize-6"]}, UsageError, "onnx does not take palettize-6"),
        ({"data": "digitz"}, UnknownName, "did you mean 'digits'"),
        ({"name": "a b"}, SpecError, "name"),
        ({"input_names": ["a", "b"]}, UsageError, "2 names for 1 example inputs"),
        ({"golden": 0}, UsageError, "golden must be 1 or more, given 0"),
        ({"dynamic_batch": 1}, SpecError, "dynamic"),
        ({"labels": ["a", "a"]}, SpecError, "each label must be unique"),
        ({"preprocess": ImagePreprocess()}, SpecError, "4 dimensions"),
    ],
)
def test_wrong_options(tmp_path: Path, options, kind, says) -> None:
    with pytest.raises(kind, match=says):
        mobilekit.export(nn.Linear(4, 3), torch.zeros(1, 4), **{"output": tmp_path / "out", **options})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "example", "kind", "says"),
    [
        (lambda x: x, torch.zeros(1), UsageError, "module must be a torch.nn.Module, given function"),
        (nn.Linear(4, 3), (), UsageError, "example_inputs is empty"),
        (nn.Linear(4, 3), ([1.0, 2.0],), UsageError, r"example_inputs\[0\] must be a tensor, given list"),
        (nn.Linear(4, 3), torch.zeros(1, 4, device="meta"), UsageError, "on meta"),
        (nn.Linear(4, 3), torch.zeros(1, 4, dtype=torch.float64), SpecError, "dtype"),
        (nn.Linear(4, 3), torch.zeros(1, 5), CaptureError, "does not accept its inputs"),
    ],
)
def test_wrong_models_and_examples(tmp_path: Path, module, example, kind, says) -> None:
    with pytest.raises(kind, match=says):
        mobilekit.export(module, example, output=tmp_path / "out", **ONNX)
    assert list(tmp_path.iterdir()) == []


def test_the_module_keeps_its_modes_also_after_an_error(tmp_path: Path) -> None:
    module = Two().train()
    module.norm.eval()
    module.head.weight.data[0, 0] = float("nan")
    with pytest.raises(WeightsError):
        mobilekit.export(module, (torch.zeros(2, 4), torch.zeros(2, 2)), output=tmp_path / "out", **ONNX)
    assert (module.training, module.norm.training, module.head.training) == (True, False, True)


def test_an_output_that_exists(tmp_path: Path) -> None:
    with pytest.raises(OutputExists):
        mobilekit.export(nn.Linear(4, 3), torch.zeros(1, 4), output=tmp_path, **ONNX)


def test_names_from_classes() -> None:
    assert [_snake(name) for name in ("Net", "MobileNetV3", "_Hidden", "__")] == [
        "net",
        "mobile_net_v3",
        "hidden",
        "model",
    ]


@pytest.mark.slow
def test_all_options(tmp_path: Path, progress, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    arrays = (rng.standard_normal((20, 4), np.float32), rng.integers(0, 2, (20, 2)))
    labels = np.arange(20) % 3
    dataset = TwoSplits(
        "mine", None, "tensor", *(TensorArrays("mine", which, arrays, labels) for which in ("train", "test"))
    )
    module = Two().train()
    module.norm.eval()
    monkeypatch.chdir(tmp_path)
    bundle = mobilekit.export(
        module,
        (torch.zeros(1, 4), torch.zeros(1, 2, dtype=torch.int64)),
        targets=["onnx"],
        quantize=["fp32", "int8"],
        input_names=["vector", "index"],
        dynamic_batch=8,
        data=dataset,
        labels=["a", "b", "c"],
        trained=False,
        threads=1,
        bench=False,
        progress=progress,
    )
    assert bundle.path == Path("bundles/two")
    assert (module.training, module.norm.training, module.head.training) == (True, False, True)
    manifest = mobilekit.Bundle.load(bundle.path).manifest
    assert [spec.describe() for spec in manifest.inputs] == ["[batch=1..8, 4]", "[batch=1..8, 2]"]
    assert [spec.name for spec in manifest.outputs] == ["scores", "total"]
    assert bundle.labels() == ("a", "b", "c")
    assert manifest.calibration and (manifest.calibration.source, manifest.calibration.samples) == ("mine", 20)
    assert not manifest.model.trained
    assert "quantizing to int8" in progress.titles
    assert all(one.benchmark is None for one in manifest.artifacts)
    np.savez("data.npz", input0=arrays[0], input1=arrays[1])
    again = mobilekit.export(
        module,
        (torch.zeros(1, 4), torch.zeros(1, 2, dtype=torch.int64)),
        name="two",
        data=DataSpec(name="npz:data.npz", test_samples=3),
        force=True,
        **ONNX,
    )
    assert again.manifest.test_data and again.manifest.test_data.samples == 3
    assert [spec.describe() for spec in again.manifest.inputs] == ["[1, 4]", "[1, 2]"]
