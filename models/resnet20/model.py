"""resnet20: He et al. 2015, "Deep Residual Learning for Image Recognition", section 4.2; for 3x32x32 images.

Shortcuts that change shape are 1x1 convolutions with batch norm (the paper's option B); the paper's own CIFAR networks
take every second pixel there and fill the new channels with zeros (option A). B has 2,752 weights more, and is one more
convolution to every phone runtime, where A is slices and padding.
"""

from __future__ import annotations

from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, (batch, inputs, h, w) -> (batch, outputs, h / stride, w / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(inner)) + self.shortcut(x))


class ResNetCIFAR(nn.Module):
    """(batch, 3, 32, 32) -> (batch, classes), 6 * blocks + 2 layers deep. 32x32 -> 16x16 -> 8x8 -> mean."""

    def __init__(self, classes: int, blocks: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, kernel_size=3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.stages = nn.Sequential(
            *stage(width, width, blocks, stride=1),
            *stage(width, 2 * width, blocks, stride=2),
            *stage(2 * width, 4 * width, blocks, stride=2),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(4 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # He et al. 2015, "Delving Deep into Rectifiers", as in section 4.2
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor:
        features = self.stages(self.relu(self.bn(self.conv(image))))
        return self.classifier(self.pool(features).flatten(1))


def stage(inputs: int, outputs: int, blocks: int, stride: int) -> list[Block]:
    """Blocks of one resolution; the first one changes shape."""
    return [Block(inputs, outputs, stride), *(Block(outputs, outputs, 1) for _ in range(blocks - 1))]


def build(classes: int = 10, blocks: int = 3, width: int = 16) -> nn.Module:
    return ResNetCIFAR(classes, blocks, width)
