"""mlp: flatten, two hidden ReLU layers, one linear layer; for 1x8x8 digits."""

from __future__ import annotations

from torch import Tensor, nn


class MLP(nn.Module):
    """(batch, 1, 8, 8) -> (batch, classes)."""

    def __init__(self, classes: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(8 * 8, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, classes),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image.flatten(1))


def build(classes: int = 10, hidden: int = 128) -> nn.Module:
    return MLP(classes, hidden)
