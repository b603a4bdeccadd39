"""Pictures that need no download: smooth colour fields, 32x32, the same on every machine.

For figures that do not ask what is in a picture: bytes, delegates, planned memory, and whether two forms of one network
agree. They say nothing about accuracy, so they carry no labels.

    mobilekit export resnet20 --data benchmarks.baselines.pictures:pictures
"""

from __future__ import annotations

import numpy as np


class Pictures:
    """`length` pictures, each a few waves of colour; drawn by numpy's oldest generator, whose numbers never change."""

    def __init__(self, length: int, seed: int) -> None:
        self._length, self._seed = length, seed

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[np.ndarray, None]:
        chance = np.random.RandomState(self._seed * 10_000 + index)
        down, across = np.mgrid[0:32, 0:32] / 32
        planes = [self._plane(chance, down, across) for _ in range(3)]
        return np.clip(128 + 60 * np.stack(planes, axis=-1), 0, 255).astype(np.uint8), None

    @staticmethod
    def _plane(chance: np.random.RandomState, down: np.ndarray, across: np.ndarray) -> np.ndarray:
        waves = chance.uniform(-3, 3, (4, 2)), chance.uniform(0, 6.28, 4)
        return sum(np.sin(6.28 * (a * down + b * across) + phase) for (a, b), phase in zip(*waves, strict=True))


def pictures() -> tuple[Pictures, Pictures]:
    return Pictures(128, seed=1), Pictures(128, seed=2)
