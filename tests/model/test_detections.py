"""The reference of what follows a detector's network, against torchvision's own on the same raw outputs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection._utils import BoxCoder, BoxLinearCoder
from torchvision.models.detection.ssd import SSD

from mobilekit.model.detections import Postprocess, detect

LEVELS, CLASSES, SIZE = (120, 60, 20), 5, (80, 100)
KINDS: dict[str, tuple[Any, Any, Postprocess]] = {
    "ssd": (
        SSD,
        BoxCoder((10.0, 10.0, 5.0, 5.0)),
        Postprocess("softmax", "centre", LEVELS, SIZE, 0.05, 30, 0.45, 25, (10.0, 10.0, 5.0, 5.0)),
    ),
    "retinanet": (
        RetinaNet,
        BoxCoder((1.0, 1.0, 1.0, 1.0)),
        Postprocess("sigmoid", "centre", LEVELS, SIZE, 0.2, 50, 0.5, 40),
    ),
    "fcos": (FCOS, BoxLinearCoder(True), Postprocess("sigmoid, centerness", "edges", LEVELS, SIZE, 0.2, 50, 0.6, 40)),
}


def raw(seed: int) -> dict[str, torch.Tensor]:
    """Raw outputs as a trained detector has them: many anchors on few objects, offsets small and now and then large."""
    generator = torch.Generator().manual_seed(seed)
    count = sum(LEVELS)
    centres = torch.rand(6, 2, generator=generator)[torch.randint(0, 6, (count,), generator=generator)]
    centres = (centres + 0.03 * torch.randn(count, 2, generator=generator)) * torch.tensor([SIZE[1], SIZE[0]])
    sides = 8 + 30 * torch.rand(count, 2, generator=generator)
    offsets = torch.randn(1, count, 4, generator=generator)
    offsets[0, ::17] *= 30
    return {
        "class_logits": 3 * torch.randn(1, count, CLASSES, generator=generator),
        "box_regression": offsets,
        "centerness": torch.randn(1, count, 1, generator=generator),
        "anchors": torch.cat([centres - sides / 2, centres + sides / 2], 1),
    }


def theirs(kind: str, outputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    model, coder, how = KINDS[kind]
    settings = SimpleNamespace(
        box_coder=coder,
        score_thresh=how.score_threshold,
        topk_candidates=how.candidates,
        nms_thresh=how.iou_threshold,
        detections_per_img=how.detections,
    )
    head: dict[str, Any] = {
        "cls_logits": outputs["class_logits"],
        "bbox_regression": outputs["box_regression"],
        "bbox_ctrness": outputs["centerness"],
    }
    anchors: Any = [outputs["anchors"]]
    if kind != "ssd":
        head = {name: value.split(LEVELS, 1) for name, value in head.items()}
        anchors = [outputs["anchors"].split(LEVELS)]
    found: dict[str, torch.Tensor] = model.postprocess_detections(settings, head, anchors, [SIZE])[0]
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_finds_what_torchvision_finds(kind: str, seed: int) -> None:
    outputs = raw(seed)
    wanted = theirs(kind, outputs)
    got = detect({name: tensor.numpy() for name, tensor in outputs.items()}, KINDS[kind][2])
    assert len(got.scores) > 10
    np.testing.assert_array_equal(got.labels, wanted["labels"].numpy())
    np.testing.assert_allclose(got.scores, wanted["scores"].numpy(), rtol=1e-5)
    np.testing.assert_allclose(got.boxes, wanted["boxes"].numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_above_the_threshold_is_nothing_found(kind: str) -> None:
    how = replace(KINDS[kind][2], score_threshold=1.0)
    got = detect({name: tensor.numpy() for name, tensor in raw(0).items()}, how)
    assert got.boxes.shape == (0, 4) and got.scores.shape == got.labels.shape == (0,)


def test_boxes_end_at_the_images_edge_and_logits_may_be_extreme() -> None:
    outputs = {name: tensor.numpy() * 50 for name, tensor in raw(1).items()}
    for _, _, how in KINDS.values():
        got = detect(outputs, how)
        assert np.isfinite(got.boxes).all() and np.isfinite(got.scores).all()
        assert got.boxes.min() >= 0 and (got.boxes.max(axis=0) <= [SIZE[1], SIZE[0]] * 2).all()
