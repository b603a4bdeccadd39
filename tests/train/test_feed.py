from __future__ import annotations

import numpy as np
import pytest
import torch

from mobilekit.errors import UsageError
from mobilekit.spec.load import revalidated
from mobilekit.spec.train import AugmentSpec
from mobilekit.train import Part, TrainingData
from mobilekit.train.feed import make_feed

LABELS = np.zeros(8, np.int64)


def data_of(*arrays: np.ndarray) -> TrainingData:
    part = Part(arrays, LABELS)
    return TrainingData("it", part, part, part, None)


def test_what_suits_the_data_is_taken_and_the_rest_refused(tiny_data: TrainingData) -> None:
    features, vectors = np.ones((8, 5, 4), np.float32), np.ones((8, 4), np.float32)
    make_feed(tiny_data, AugmentSpec(flip=True, cutmix=1.0, randaugment=1))
    make_feed(data_of(features), AugmentSpec(mask_frames=2, mixup=0.2))
    make_feed(data_of(vectors), AugmentSpec(mixup=0.2))
    make_feed(data_of(vectors, vectors), AugmentSpec())
    for data, augment, said in (
        (tiny_data, AugmentSpec(mask_frames=2), "mask_frames cannot be used on tiny, which holds images"),
        (data_of(features), AugmentSpec(flip=True), "flip cannot be used on it, which holds audio features"),
        (data_of(vectors), AugmentSpec(shift_frames=1), "shift_frames cannot be used on it, which holds tensors"),
        (data_of(vectors, vectors), AugmentSpec(mixup=1), "mixup cannot be used on it, which holds several tensors"),
    ):
        with pytest.raises(UsageError, match=said):
            make_feed(data, augment)


def test_defaults_that_were_written_out_ask_for_nothing() -> None:
    written = revalidated(AugmentSpec(mask_frames=2), {"mask_bands": 1})
    make_feed(data_of(np.ones((8, 5, 4), np.float32)), written)


def test_scoring_sees_samples_as_they_are(tiny_data: TrainingData) -> None:
    feed = make_feed(tiny_data, AugmentSpec(shift_pixels=2, flip=True, erasing=1.0))
    images = (torch.from_numpy(tiny_data.train.inputs[0][:4]),)
    plain = feed(images)[0]
    assert torch.equal(plain, feed(images)[0]) and plain.shape == (4, 1, 6, 6)
    drawn = feed(images, torch.Generator().manual_seed(0))[0]
    assert drawn.shape == plain.shape and not torch.equal(drawn, plain)
