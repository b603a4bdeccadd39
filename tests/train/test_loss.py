from __future__ import annotations

import numpy as np
import pytest
import torch

from mobilekit.errors import UsageError
from mobilekit.spec import TrainSpec
from mobilekit.train.loss import class_weights, make_loss

LABELS = np.array([0] * 6 + [1] * 3 + [3], dtype=np.int64)
CPU = torch.device("cpu")


def test_balanced_weights_make_every_class_count_the_same() -> None:
    weights = class_weights(TrainSpec(class_weights="balanced"), LABELS, 4)
    assert weights is not None
    totals = [weights[label] * np.count_nonzero(label == LABELS) for label in (0, 1, 3)]
    assert totals == pytest.approx([10 / 3] * 3) and weights[2] == 1.0


def test_given_weights_and_none() -> None:
    assert class_weights(TrainSpec(), LABELS, 4) is None
    assert class_weights(TrainSpec(class_weights=(1.0, 2.0)), LABELS, 2) == (1.0, 2.0)
    with pytest.raises(UsageError, match="class_weights has 2 values, the model gives 4 classes"):
        class_weights(TrainSpec(class_weights=(1.0, 2.0)), LABELS, 4)
    with pytest.raises(ValueError, match="class_weights"):
        TrainSpec(class_weights=(1.0, -2.0))


def test_the_loss_is_torchs_in_float32() -> None:
    logits, labels = torch.randn(5, 4), torch.tensor([0, 1, 3, 0, 1])
    loss = make_loss(TrainSpec(label_smoothing=0.1, class_weights="balanced"), LABELS, 4, CPU)
    weights = torch.tensor(class_weights(TrainSpec(class_weights="balanced"), LABELS, 4))
    wanted = torch.nn.functional.cross_entropy(logits, labels, weight=weights, label_smoothing=0.1)
    assert torch.equal(loss(logits, labels), wanted)
    assert loss(logits.bfloat16(), labels).dtype == torch.float32
