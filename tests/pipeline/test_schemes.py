"""Every target in every scheme of its table: exported with real data, executed where a runtime is, and measured."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import mobilekit
from mobilekit.bundle import Bundle
from mobilekit.data.arrays import TensorArrays
from mobilekit.data.base import TwoSplits
from mobilekit.lower import TARGETS
from mobilekit.quantize import SCHEMES
from mobilekit.verify import thresholds

UNTRAINED = [name for name in SCHEMES if name != "int8-qat"]
"""That one needs a run (test_qat.py)."""
PAIRS = [(target.name, scheme) for target in TARGETS.values() for scheme in target.schemes if scheme in UNTRAINED]
LARGEST = {"fp16": 0.6, "int8": 0.4, "int8-dynamic": 0.5, "int8-weight-only": 0.4, "int4-weight-only": 0.4}
"""Of the float32 file. Tiny models carry much besides weights, and some schemes leave the convolution in float."""
Arrays = dict[str, tuple[np.ndarray, np.ndarray]]
pytestmark = pytest.mark.slow


class Digits(nn.Module):
    """A convolution and three linear layers, two of them wide enough for groups of 32 inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.wide, self.deep, self.head = nn.Linear(512, 128), nn.Linear(128, 72), nn.Linear(72, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.max_pool2d(torch.relu(self.norm(self.conv(image))), 2)
        return self.head(torch.relu(self.deep(torch.relu(self.wide(torch.flatten(x, 1))))))


@pytest.fixture(scope="module")
def digits() -> Arrays:
    """scikit-learn's handwritten digits: 1,400 to train with, 397 to test with."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = (x.reshape(-1, 1, 8, 8)[order] / 16).astype(np.float32), y[order].astype(np.int64)
    return {"train": (x[:1400], y[:1400]), "test": (x[1400:], y[1400:])}


@pytest.fixture(scope="module")
def trained(digits: Arrays) -> nn.Module:
    torch.manual_seed(0)
    model, (x, y) = Digits(), map(torch.from_numpy, digits["train"])
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(4):
        for at in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[at]), y[at]).backward()
            optimizer.step()
    return model.eval()


@pytest.fixture(scope="module")
def bundle_of(trained: nn.Module, digits: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bundle]:
    """A target's bundle with all the schemes that it takes, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("schemes")
    parts = [TensorArrays("digits", name, (x,), y) for name, (x, y) in digits.items()]
    data = TwoSplits("digits", None, "tensor", *parts)

    @cache
    def get(target: str) -> Bundle:
        return mobilekit.export(
            trained,
            torch.zeros(1, 1, 8, 8),
            targets=target,
            quantize=[name for name in TARGETS[target].schemes if name in UNTRAINED],
            dynamic_batch=8,
            data=data,
            bench=False,
            output=folder / target,
        )

    return get


def _artifact(bundle: Bundle, scheme: str) -> Any:
    (found,) = [one for one in bundle.manifest.artifacts if one.target != "eager" and one.scheme == scheme]
    return found


@pytest.mark.parametrize(("target", "scheme"), PAIRS)
def test_it_is_executed_and_as_accurate_as_its_thresholds_say(
    target: str, scheme: str, bundle_of: Callable[[str], Bundle]
) -> None:
    artifact = _artifact(bundle_of(target), scheme)
    verification = artifact.verification
    assert artifact.minimum_runtime == TARGETS[target].minimum_runtime(scheme)
    if target == "coreml":
        assert not verification.executed or verification.passed
        return
    assert verification.executed and verification.passed, verification.checks
    names = {check.name for check in verification.checks}
    assert {"sqnr_db", "agreement", "top1_drop_points"} <= names and any("batch" in name for name in names)
    assert verification.metrics.top1_eager > 0.9
    if SCHEMES[scheme].quantized:  # else nothing was rounded
        assert thresholds(scheme).sqnr_db.value <= verification.metrics.sqnr_db < 70


@pytest.mark.parametrize(("target", "scheme"), [pair for pair in PAIRS if pair[1] != "fp32"])
def test_it_is_smaller_than_float(target: str, scheme: str, bundle_of: Callable[[str], Bundle]) -> None:
    share = _artifact(bundle_of(target), scheme).bytes / _artifact(bundle_of(target), "fp32").bytes
    assert share < LARGEST.get(scheme, 0.4)


LEAST_DB = {
    "fp16": 60,
    "int8": 35,
    "mixed": 35,
    "int8-weight-only": 35,
    "int4-weight-only": 15,
    "palettize-4": 15,
    "palettize-6": 28,
}
"""Of the weights. An even step of 8 bits leaves 40 dB and more of a channel, 16 values about 20, 64 about 30."""


@pytest.mark.parametrize("scheme", [name for target, name in PAIRS if target == "coreml" and name != "fp32"])
def test_core_ml_weights_are_near_the_float_ones(scheme: str, bundle_of: Callable[[str], Bundle]) -> None:
    """What stands for execution where Core ML does not run; the interface is the same in every scheme."""
    weights, description = _package(bundle_of("coreml"), scheme)
    plain, same = _package(bundle_of("coreml"), "fp32")
    assert description == same
    assert len(weights) == len(plain) == 4
    noise = signal = 0.0
    for size, value in plain.items():
        noise += float(np.square(weights[size] - value).sum())
        signal += float(np.square(value).sum())
    assert LEAST_DB[scheme] < 10 * np.log10(signal / noise) < 90


def _package(bundle: Bundle, scheme: str) -> tuple[dict[int, np.ndarray], str]:
    """The weights of the layers by their sizes, as they are computed with, and the inputs and outputs."""
    from mobilekit.quiet import quiet

    with quiet():
        import coremltools as ct
        import coremltools.optimize.coreml as cto

        path = str(bundle.artifact_path(_artifact(bundle, scheme)))
        package = cto.decompress_weights(ct.models.MLModel(path, skip_model_load=True))
        found = cto.get_weights_metadata(package, weight_threshold=200)
    return {one.val.size: one.val.astype(np.float64) for one in found.values()}, str(package.get_spec().description)
