"""vgg11_bn: torchvision's, under its own weight names; for 3x224x224 images, or small ones of 3x32x32.

For small images one linear layer follows the convolutions, in place of three with 124 million weights, which expect a
map of 7x7 where 32x32 leaves 1x1.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision import models
from torchvision.models.vgg import cfgs, make_layers

from mobilekit.model.torchvision import load_published


class SmallVGG(nn.Module):
    """(batch, 3, image_size, image_size) -> (batch, classes), `image_size` a multiple of 32."""

    def __init__(self, classes: int, image_size: int) -> None:
        super().__init__()
        self.features = make_layers(cfgs["A"], batch_norm=True)
        self.classifier = nn.Linear(512 * (image_size // 32) ** 2, classes)
        for module in self.features:
            if isinstance(module, nn.Conv2d):  # as torchvision's VGG starts
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image).flatten(1))


def build(classes: int = 10, image_size: int = 32, weights: str | None = None) -> nn.Module:
    """(batch, 3, image_size, image_size) -> (batch, classes). `weights`: "DEFAULT" starts from the published ones."""
    small = image_size <= 64
    module = SmallVGG(classes, image_size) if small else models.vgg11_bn(num_classes=classes)
    if image_size == 224:
        module.avgpool = nn.Identity()  # 7x7 to 7x7: some runtimes would do it in a slow kernel
    if weights:
        load_published(module, "vgg11_bn", weights, but=("classifier.",) if small else ("classifier.6.",))
    return module
