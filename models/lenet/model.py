"""lenet: two stages of convolution, batch norm, ReLU and max pooling, then three linear layers; for 1x28x28 digits."""

from __future__ import annotations

from torch import Tensor, nn


class LeNet(nn.Module):
    """(batch, 1, 28, 28) -> (batch, classes). 28x28 -> 14x14 -> 5x5."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5, padding=2, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2, stride=2),
            nn.Conv2d(6, 16, kernel_size=5, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(16 * 5 * 5, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, classes),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image).flatten(1))


def build(classes: int = 10) -> nn.Module:
    return LeNet(classes)
