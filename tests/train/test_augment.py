from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.preprocess import normalize
from mobilekit.spec import ImagePreprocess
from mobilekit.spec.train import AugmentSpec
from mobilekit.train.augment import (
    augment_features,
    mixing,
    randaugment,
    random_erasing,
    random_flip,
    random_shift,
    to_model_input,
)


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


def pictures(n: int = 64, size: int = 8, channels: int = 3) -> torch.Tensor:
    return torch.randint(1, 256, (n, size, size, channels), dtype=torch.uint8, generator=generator(7))


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    images = pictures(400)
    flipped = random_flip(images, generator())
    mirrored = [torch.equal(new, old.flip(1)) for new, old in zip(flipped, images, strict=True)]
    kept = [torch.equal(new, old) for new, old in zip(flipped, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True)) and 150 < sum(mirrored) < 250


@given(st.floats(0, 1), st.integers(0, 99))
def test_erasing_blanks_one_rectangle(probability: float, seed: int) -> None:
    images = pictures(16, 12)
    erased = random_erasing(images, probability, generator(seed))
    for new, old in zip(erased, images, strict=True):
        blank = (new == 0).all(2)
        assert torch.equal(new[~blank], old[~blank])
        rows, columns = blank.any(1), blank.any(0)
        assert torch.equal(blank, rows[:, None] & columns[None, :]), "a rectangle"
        assert blank.sum() <= 0.5 * blank.numel()


def test_erasing_happens_as_often_as_asked() -> None:
    images = pictures(1000)
    blanked = (random_erasing(images, 0.3, generator()) == 0).flatten(1).any(1).float().mean()
    assert 0.24 < blanked < 0.36
    assert torch.equal(random_erasing(images, 0.0, generator()), images)


def test_randaugment_is_torchvisions_and_repeats_with_the_global_seed() -> None:
    images = pictures(20, 16)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = randaugment(images, 2, 9)
        torch.manual_seed(0)
        second = randaugment(images, 2, 9)
    assert first.shape == images.shape and first.dtype == torch.uint8 and first.is_contiguous()
    assert torch.equal(first, second) and not torch.equal(first, images)


@pytest.mark.parametrize("options", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_mixing_keeps_the_shares_of_the_labels(options: dict[str, float]) -> None:
    mix = mixing(AugmentSpec(**options), 5)
    assert mix is not None
    values, labels = torch.rand(12, 3, 8, 8), torch.arange(12) % 5
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mixed, shares = mix(values, labels)
    assert mixed.shape == values.shape and not torch.equal(mixed, values)
    assert shares.shape == (12, 5) and torch.allclose(shares.sum(1), torch.ones(12))
    assert mixing(AugmentSpec(), 5) is None


@given(st.integers(0, 99))
def test_features_are_shifted_and_masked_in_stripes(seed: int) -> None:
    features = torch.rand(6, 20, 10, generator=generator(1)) + 1
    spec = AugmentSpec(mask_frames=6, mask_bands=3)
    made = augment_features(features, spec, generator(seed))
    for new, old in zip(made, features, strict=True):
        blank = new == 0
        frames, bands = blank.all(1), blank.all(0)
        assert frames.sum() <= 6 and bands.sum() <= 3
        assert torch.equal(blank, frames[:, None] | bands[None, :]) and torch.equal(new[~blank], old[~blank])
    moved = augment_features(features, AugmentSpec(shift_frames=4), generator(seed))
    for new, old in zip(moved, features, strict=True):
        offsets = [o for o in range(-4, 5) if torch.equal(new, old[(torch.arange(20) + o).clamp(0, 19)])]
        assert len(offsets) == 1
