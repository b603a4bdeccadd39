"""mobilenet_v2: torchvision's, under its own weight names; for 3x224x224 images, or small ones of 3x32x32.

For small images the first two halvings are left out, so that 32x32 ends as 4x4 and not as 1x1. Strides have no
weights: the published ones fit either way.
"""

from __future__ import annotations

from torch import nn
from torchvision import models

from mobilekit.model.torchvision import load_published


def build(classes: int = 10, image_size: int = 32, weights: str | None = None) -> nn.Module:
    """(batch, 3, image_size, image_size) -> (batch, classes). `weights`: "DEFAULT" starts from the published ones."""
    module = models.mobilenet_v2(num_classes=classes)
    if image_size <= 64:
        module.features[0][0].stride = (1, 1)
        module.features[2].conv[1][0].stride = (1, 1)
    if weights:
        load_published(module, "mobilenet_v2", weights, but=("classifier.1.",))
    return module
