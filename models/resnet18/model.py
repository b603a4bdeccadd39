"""resnet18: torchvision's, under its own weight names; for 3x224x224 images, or small ones of 3x32x32.

For small images the first two halvings are left out, so that 32x32 ends as 4x4 and not as 1x1. Strides have no
weights: the published ones fit either way.
"""

from __future__ import annotations

from torch import nn
from torchvision import models

from mobilekit.model.torchvision import load_published


def build(classes: int = 10, image_size: int = 32, weights: str | None = None) -> nn.Module:
    """(batch, 3, image_size, image_size) -> (batch, classes). `weights`: "DEFAULT" starts from the published ones."""
    module = models.resnet18(num_classes=classes)
    if image_size <= 64:
        module.conv1.stride = (1, 1)
        module.maxpool = nn.Identity()
    if weights:
        load_published(module, "resnet18", weights, but=("fc.",))
    return module
