"""torchvision's detectors without what comes after the network: raw scores, box offsets and anchors for a fixed size.

One-stage detectors (SSD, SSDLite, RetinaNet, FCOS) are one network and a selection, which `detections.py` does. The
two-stage ones are refused: between their two networks stands a selection that no runtime on a phone has operators for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from mobilekit.errors import ModelError
from mobilekit.model.detections import Postprocess

if TYPE_CHECKING:
    import torch
    from torch import nn


def network_of(detector: Any, name: str, size: tuple[int, int]) -> nn.Module:
    """The exportable part of a torchvision detector, for images of `size` (height, width), in eval mode.

    forward: `image` float32 (1, 3, height, width), normalized as `detector.transform` would, to `class_logits`
    (1, anchors, classes), `box_regression` (1, anchors, 4), for FCOS `centerness` (1, anchors, 1), and `anchors`
    (anchors, 4), which are the same for every image. Its `postprocess` has what `detections.detect` needs besides.
    Raises ModelError for a two-stage detector: it names the operators that stand in the way.
    """
    from torchvision.models import detection

    if isinstance(detector, detection.generalized_rcnn.GeneralizedRCNN):
        raise ModelError(
            f"torchvision:{name} is two networks with a selection between them: torchvision::nms picks the regions "
            "(torchvision/models/detection/rpn.py, filter_proposals) and torchvision::roi_align cuts them out "
            "(roi_heads.py); neither is an operator of ExecuTorch or Core ML",
            hint="a one-stage detector exports, with its selection split off: ssdlite320_mobilenet_v3_large, "
            "ssd300_vgg16, retinanet_resnet50_fpn, fcos_resnet50_fpn",
        )
    return _one_stage(detector.eval(), size).eval()


def _one_stage(detector: Any, size: tuple[int, int]) -> nn.Module:
    import torch
    from torchvision.models.detection.image_list import ImageList

    class OneStage(torch.nn.Module):
        """Backbone and heads."""

        anchors: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.head = detector.backbone, detector.head
            blank = torch.zeros(1, 3, *size)
            with torch.no_grad():
                features = self._features(blank)
                anchors = detector.anchor_generator(ImageList(blank, [size]), features)[0]
            self.register_buffer("anchors", anchors)
            self.postprocess = _postprocess(detector, size, _levels(features, len(anchors)))

        def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
            found = self.head(self._features(image))
            outputs = {"class_logits": found["cls_logits"], "box_regression": found["bbox_regression"]}
            if "bbox_ctrness" in found:
                outputs["centerness"] = found["bbox_ctrness"]
            return {**outputs, "anchors": self.anchors.clone()}

        def _features(self, image: torch.Tensor) -> list[torch.Tensor]:
            features: Any = self.backbone(image)
            return [features] if isinstance(features, torch.Tensor) else list(features.values())

    return OneStage()


def _levels(features: list[torch.Tensor], anchors: int) -> tuple[int, ...]:
    """Anchors of each feature level, where every position of every level has equally many; else all as one level."""
    positions = [one.shape[-2] * one.shape[-1] for one in features]
    each, rest = divmod(anchors, sum(positions))
    return tuple(count * each for count in positions) if rest == 0 else (anchors,)


def _postprocess(detector: Any, size: tuple[int, int], levels: tuple[int, ...]) -> Postprocess:
    from torchvision.models import detection

    scores: Literal["softmax", "sigmoid", "sigmoid, centerness"] = "sigmoid"
    if isinstance(detector, detection.ssd.SSD):
        scores = "softmax"
    elif isinstance(detector, detection.FCOS):
        scores = "sigmoid, centerness"
    edges = isinstance(detector, detection.FCOS)
    return Postprocess(
        scores=scores,
        boxes="edges" if edges else "centre",
        levels=levels,
        size=size,
        score_threshold=detector.score_thresh,
        candidates=detector.topk_candidates,
        iou_threshold=detector.nms_thresh,
        detections=detector.detections_per_img,
        weights=(1.0, 1.0, 1.0, 1.0) if edges else tuple(detector.box_coder.weights),
    )
