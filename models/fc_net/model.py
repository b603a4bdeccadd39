"""fc_net: flatten, then linear layers with a sigmoid or ReLU of its own after each hidden one; for 1x28x28 digits."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}


class FCNet(nn.Module):
    """(batch, 1, 28, 28) -> (batch, classes)."""

    def __init__(self, classes: int, hidden: Sequence[int], activations: Sequence[str]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 28 * 28
        for outputs, activation in zip(hidden, activations, strict=True):
            layers += [nn.Linear(width, outputs), ACTIVATIONS[activation]()]
            width = outputs
        self.layers = nn.Sequential(*layers, nn.Linear(width, classes))

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image.flatten(1))


def build(
    classes: int = 10, hidden: Sequence[int] = (300, 100), activations: Sequence[str] = ("sigmoid", "relu")
) -> nn.Module:
    return FCNet(classes, hidden, activations)
