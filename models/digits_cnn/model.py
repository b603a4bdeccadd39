"""digits_cnn: three 3x3 convolutions with batch norm and ReLU, two max pools, one linear layer; for 1x8x8 digits."""

from __future__ import annotations

from torch import Tensor, nn


class DigitsCNN(nn.Module):
    """(batch, 1, 8, 8) -> (batch, classes). 8x8 -> 8x8 -> 4x4 -> 2x2."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *stage(1, 16),
            *stage(16, 32),
            nn.MaxPool2d(kernel_size=2, stride=2),
            *stage(32, 64),
            nn.MaxPool2d(kernel_size=2, stride=2),
        )
        self.classifier = nn.Linear(64 * 2 * 2, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image).flatten(1))


def stage(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    """Convolution, batch norm, ReLU: one int8 operator once they are folded."""
    convolution = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()


def build(classes: int = 10) -> nn.Module:
    return DigitsCNN(classes)
