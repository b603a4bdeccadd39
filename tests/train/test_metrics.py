from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.errors import DataError, StorageError
from mobilekit.train.metrics import EpochMetrics, append_metrics, best, highest, read_metrics, start_metrics


def line(epoch: int) -> EpochMetrics:
    figures = {"train_loss": 1.0, "train_top1": 0.5, "val_loss": 1 / 3, "val_top1": 0.25, "lr": 1e-3}
    return EpochMetrics(epoch=epoch, images_per_second=9.0, seconds=0.1, **figures)


def test_a_line_an_epoch(tmp_path: Path) -> None:
    start_metrics(tmp_path)
    assert read_metrics(tmp_path) == ()
    for epoch in (1, 2, 3):
        append_metrics(tmp_path, line(epoch))
    assert read_metrics(tmp_path) == (line(1), line(2), line(3))
    start_metrics(tmp_path)
    assert read_metrics(tmp_path) == ()


def test_a_last_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    start_metrics(tmp_path)
    append_metrics(tmp_path, line(1))
    append_metrics(tmp_path, line(2))
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-7])
    assert read_metrics(tmp_path) == (line(1),)


def test_damage_and_absence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("nonsense\n")
    with pytest.raises(DataError, match="damaged"):
        read_metrics(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        start_metrics(tmp_path / "file")


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        EpochMetrics.model_validate({**line(1).model_dump(), "val_loss": float("nan")})


def scored(*top1: float) -> list[EpochMetrics]:
    return [line(i).model_copy(update={"val_top1": value}) for i, value in enumerate(top1, 1)]


def test_the_best_epoch_is_the_last_that_cannot_be_told_from_the_highest() -> None:
    # the standard error of 0.903 on 1,000 samples is 0.0094
    history = scored(0.85, 0.903, 0.89, 0.895, 0.893)
    assert highest(history).epoch == 2
    assert best(history, 1000).epoch == 4
    assert best(history, 100_000).epoch == 2
    assert best(scored(1.0, 1.0, 0.99), 1000).epoch == 2, "all right: no error that is known"
    equal = [one.model_copy(update={"val_loss": loss}) for one, loss in zip(scored(0.5, 0.5), (1.0, 2.0), strict=True)]
    assert highest(equal).epoch == 1


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_what_was_kept_on_the_way_is_the_best_at_the_end(correct: list[int]) -> None:
    history = scored(*(one / 50 for one in correct))
    kept = 0
    for done in range(1, len(history) + 1):
        if best(history[:done], 50) is history[done - 1]:
            kept = done
    assert kept == best(history, 50).epoch
