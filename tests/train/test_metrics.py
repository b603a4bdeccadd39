from __future__ import annotations

from pathlib import Path

import pytest

from mobilekit.errors import DataError, StorageError
from mobilekit.train.metrics import EpochMetrics, append_metrics, read_metrics, start_metrics


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
