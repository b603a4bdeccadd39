"""Detectors split into the network and what follows: together they find what torchvision's own forward finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision

from mobilekit.capture import capture
from mobilekit.errors import ModelError, UsageError
from mobilekit.model import resolve
from mobilekit.model.detection import network_of
from mobilekit.model.detections import detect
from mobilekit.spec import parse_inputs

SSDLITE = "ssdlite320_mobilenet_v3_large"


class Lively(torch.nn.Module):
    """A head whose random scores and offsets are spread as a trained one's: else all would be ties."""

    def __init__(self, head: torch.nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: 2 * (value - value.mean()) / value.std() for name, value in self.head(features).items()}


def detector(name: str, **settings: object) -> torch.nn.Module:
    torch.manual_seed(0)
    module = torchvision.models.get_model(name, weights=None, weights_backbone=None, **settings).eval()
    module.head = Lively(module.head)
    return module


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [(SSDLITE, (320, 320)), ("retinanet_resnet50_fpn", (128, 96)), ("fcos_resnet50_fpn", (96, 128))]
)
def test_network_and_reference_find_what_torchvision_finds(name: str, size: tuple[int, int]) -> None:
    settings = {} if name == SSDLITE else {"min_size": min(size), "max_size": max(size)}
    module = detector(name, **settings)
    image = torch.rand(3, *size)
    mean, std = (
        torch.tensor(values).view(3, 1, 1) for values in (module.transform.image_mean, module.transform.image_std)
    )
    with torch.no_grad():
        wanted = module([image])[0]
        network = network_of(module, name, size)
        outputs = network(((image - mean) / std)[None])
    got = detect({key: value.numpy() for key, value in outputs.items()}, network.postprocess)
    assert len(got.scores) == len(wanted["scores"]) > 5
    np.testing.assert_allclose(got.scores, wanted["scores"].numpy(), rtol=1e-4)
    agree = got.labels == wanted["labels"].numpy()
    assert agree.mean() > 0.97, "only neighbours whose scores are equal to the last digit may change places"
    np.testing.assert_allclose(got.boxes[agree], wanted["boxes"].numpy()[agree], rtol=1e-3, atol=0.05)


def test_an_exported_detector_ends_before_the_selection() -> None:
    source = resolve(f"torchvision:{SSDLITE}")
    assert source.recipe.preprocess is not None and source.recipe.inputs[0].shape == (1, 3, 320, 320)
    captured = capture(source.build(), source.recipe.inputs)
    assert {spec.name: spec.shape for spec in captured.outputs} == {
        "class_logits": (1, 3234, 91),
        "box_regression": (1, 3234, 4),
        "anchors": (3234, 4),
    }
    assert not [node for node in captured.program.graph.nodes if "nms" in str(node.target)]


def test_preprocessing_is_the_detectors_own_transform() -> None:
    for name in (SSDLITE, "ssd300_vgg16"):
        preprocess = resolve(f"torchvision:{name}").recipe.preprocess
        transform = torchvision.models.get_model(name, weights=None, weights_backbone=None).transform
        assert preprocess is not None and preprocess.resize is not None
        assert preprocess.resize.size == tuple(transform.fixed_size) and preprocess.resize.mode == "stretch"
        assert preprocess.mean == tuple(transform.image_mean) and preprocess.std == tuple(transform.image_std)


def test_two_stages_are_refused_by_what_stands_between_them() -> None:
    source = resolve("torchvision:fasterrcnn_mobilenet_v3_large_320_fpn")
    with pytest.raises(ModelError, match=r"torchvision::nms .*roi_align") as refused:
        source.build()
    assert "ssdlite320" in str(refused.value.hint)


def test_anchors_need_a_size() -> None:
    source = resolve(f"torchvision:{SSDLITE}", inputs=parse_inputs(["image:1,3,side=64..320,side"]))
    with pytest.raises(UsageError, match="for one size"):
        source.build()
