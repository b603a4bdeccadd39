from __future__ import annotations

import pytest
import torch

from mobilekit.errors import ModelError
from mobilekit.train.tally import Tally


def test_the_mean_is_over_samples_not_batches() -> None:
    tally = Tally("epoch 1", 2)
    tally.add(torch.tensor(1.0), torch.tensor(3), 4)
    tally.add(torch.tensor(4.0), torch.tensor(1), 2)
    assert tally.loss == 0.0, "not looked at yet"
    score = tally.score()
    assert (score.loss, score.top1, score.samples) == (2.0, 4 / 6, 6) and score.seconds > 0


def test_a_late_look_still_names_the_batch() -> None:
    tally = Tally("epoch 3", 9)
    for loss in (1.0, 2.0, float("inf"), float("nan")):
        tally.add(torch.tensor(loss), torch.tensor(0), 1)
    with pytest.raises(ModelError, match="the loss is inf in epoch 3, batch 3 of 9; training stopped"):
        tally.settle()
