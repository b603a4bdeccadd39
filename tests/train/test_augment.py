from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.preprocess import normalize
from mobilekit.spec import ImagePreprocess
from mobilekit.train.augment import random_shift, to_model_input


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.integers(1, 4), st.integers(0, 99))
def test_a_shift_moves_each_image_as_a_whole(pixels: int, seed: int) -> None:
    images = torch.zeros(12, 9, 11, 3, dtype=torch.uint8)
    images[:, 4, 5] = torch.tensor([10, 20, 30], dtype=torch.uint8)
    shifted = random_shift(images, pixels, generator(seed))
    assert shifted.shape == images.shape and shifted.dtype == torch.uint8
    for image in shifted:
        (row, column), *others = image[..., 0].nonzero().tolist()
        assert not others and abs(row - 4) <= pixels and abs(column - 5) <= pixels
        assert image[row, column].tolist() == [10, 20, 30]


def test_all_shifts_occur_and_what_moves_out_is_lost() -> None:
    images = torch.full((400, 2, 2, 1), 9, dtype=torch.uint8)
    kinds = {tuple(image.flatten().tolist()) for image in random_shift(images, 1, generator())}
    assert len(kinds) == 9 and (9, 9, 9, 9) in kinds and (0, 0, 0, 9) in kinds


def test_no_shift_and_the_same_seed() -> None:
    images = torch.randint(0, 256, (5, 4, 4, 1), dtype=torch.uint8, generator=generator())
    assert random_shift(images, 0, generator()) is images
    assert torch.equal(random_shift(images, 2, generator(3)), random_shift(images, 2, generator(3)))


@pytest.mark.parametrize(
    "spec",
    [
        ImagePreprocess(color="L"),
        ImagePreprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        ImagePreprocess(divisor=127.5, mean=(1.0, 1.0, 1.0)),
        ImagePreprocess(color="L", std=(0.3081,)),
    ],
)
def test_the_arithmetic_is_that_of_preprocess_to_the_bit(spec: ImagePreprocess) -> None:
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(spec.channels, axis=3)
    made = to_model_input(torch.from_numpy(values), spec.divisor, spec.mean, spec.std)
    assert made.dtype == torch.float32 and (made.numpy() == normalize(values, spec)).all()
