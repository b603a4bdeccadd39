"""A MobileNetV3-Small for 224x224 that tells a temple, a flower and a person apart, trained in seconds.

Random weights alone would not do: their outputs are all but zero, and a golden check of zeros passes whatever was fed.
It knows these three photos, turned and cut, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pictures import SUBJECTS, Picture, calibration_pictures

import mobilekit
from mobilekit.data import Dataset
from mobilekit.preprocess import preprocess_image
from mobilekit.spec import ImagePreprocess

if TYPE_CHECKING:
    import torch

# What torchvision's weights are used with: a resize that keeps the aspect ratio, and the middle of it.
PREPROCESS = ImagePreprocess.model_validate(
    {
        "resize": {"size": (256, 256), "mode": "cover"},
        "crop": (224, 224),
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
    }
)
STEPS, BATCH = 40, 12


def export_photo_model(place: Path, dataset: Dataset) -> None:
    """The bundle of it: XNNPACK and ONNX, fp32 and int8."""
    import torch

    mobilekit.export(
        fitted(list(calibration_pictures())),
        torch.zeros(1, 3, 224, 224),
        targets=("xnnpack", "onnx"),
        quantize=("fp32", "int8"),
        output=place,
        name="mobilenet_v3_small",
        input_names=("image",),
        data=dataset,
        preprocess=PREPROCESS,
        labels=SUBJECTS,
        bench=False,
        golden=len(dataset.split("test")),
    )


def fitted(pictures: Sequence[Picture]) -> torch.nn.Module:
    """The network, the same for the same pictures."""
    import torch
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.mobilenet_v3_small(num_classes=len(SUBJECTS))
    inputs = torch.from_numpy(
        np.concatenate([preprocess_image(one.encoded, PREPROCESS, name=one.id) for one in pictures])
    )
    labels = torch.tensor([SUBJECTS.index(one.subject) for one in pictures])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    for _ in range(STEPS):
        chosen = torch.randperm(len(labels))[:BATCH]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(_turned(inputs[chosen])), labels[chosen]).backward()
        optimizer.step()
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # the plain average of what comes: 40 steps are too few for a moving one
    with torch.no_grad():
        for turns in range(4):
            model(torch.rot90(inputs, turns, (2, 3)))
    return model.eval()


def _turned(batch: torch.Tensor) -> torch.Tensor:
    """Each picture turned and zoomed at random: phones hold the photos every way, and cut."""
    import torch

    turned = []
    for picture in batch:
        side = int(torch.randint(112, 225, ()))
        top, left = (int(torch.randint(0, 225 - side, ())) for _ in range(2))
        cut = picture[None, :, top : top + side, left : left + side]
        whole = torch.nn.functional.interpolate(cut, (224, 224), mode="bilinear")
        turned.append(torch.rot90(whole, int(torch.randint(0, 4, ())), (2, 3)))
    return torch.cat(turned)
