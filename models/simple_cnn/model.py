"""simple_cnn: six stages of 3x3 convolution, batch norm and ReLU, pooled after every second one; for 3x32x32 images."""

from __future__ import annotations

from torch import Tensor, nn


class SimpleCNN(nn.Module):
    """(batch, 3, 32, 32) -> (batch, classes). 32x32 -> 16x16 -> 8x8 -> 4x4 -> mean."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *stage(3, width),
            *stage(width, width),
            nn.MaxPool2d(kernel_size=2, stride=2),
            *stage(width, 2 * width),
            *stage(2 * width, 2 * width),
            nn.MaxPool2d(kernel_size=2, stride=2),
            *stage(2 * width, 4 * width),
            *stage(4 * width, 4 * width),
            nn.MaxPool2d(kernel_size=2, stride=2),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(4 * width, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.pool(self.features(image)).flatten(1))


def stage(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    """Convolution, batch norm, ReLU: one int8 operator once they are folded."""
    convolution = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()


def build(classes: int = 10, width: int = 32) -> nn.Module:
    return SimpleCNN(classes, width)
