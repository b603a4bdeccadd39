"""Metrics: one JSON line per epoch, written as it ends, read back for reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from mobilekit.errors import DataError
from mobilekit.files import storage_errors, write_atomically
from mobilekit.spec.base import Spec

METRICS = "metrics.jsonl"
Fraction = Annotated[float, Field(ge=0, le=1)]


class EpochMetrics(Spec):
    """One epoch. `lr` is the last step's; `images_per_second` counts training only, `seconds` validation too."""

    epoch: Annotated[int, Field(ge=1)]
    train_loss: float
    train_top1: Fraction
    val_loss: float
    val_top1: Fraction
    lr: float
    images_per_second: float
    seconds: float


def highest(history: Sequence[EpochMetrics]) -> EpochMetrics:
    """The epoch with the highest validation top-1, of equals the one with the lower loss."""
    return max(history, key=lambda one: (one.val_top1, -one.val_loss))


def best(history: Sequence[EpochMetrics], samples: int) -> EpochMetrics:
    """The last epoch whose validation top-1, on `samples`, lies within one standard error of the highest.

    The highest of many epochs that differ by less than their measurement error is the luckiest, not the best; of those
    that cannot be told apart, the last had the lowest learning rate and the longest average. Source: the one standard
    error rule of Breiman et al. 1984, Classification and Regression Trees, section 3.4.3.
    """
    top = highest(history).val_top1
    least = top - math.sqrt(top * (1 - top) / samples)
    return next(one for one in reversed(history) if one.val_top1 >= least)


def start_metrics(folder: Path, history: tuple[EpochMetrics, ...] = ()) -> None:
    """metrics.jsonl with `history` alone, whatever was there before. Raises StorageError."""
    write_atomically(folder / METRICS, "".join(f"{one.model_dump_json()}\n" for one in history))


def append_metrics(folder: Path, metrics: EpochMetrics) -> None:
    """Add one line. Raises StorageError."""
    with storage_errors(folder), (folder / METRICS).open("ab") as stream:
        stream.write(metrics.model_dump_json().encode() + b"\n")


def read_metrics(folder: Path) -> tuple[EpochMetrics, ...]:
    """All whole lines; one that a killed process left unfinished is passed over. Raises DataError for other damage."""
    path = folder / METRICS
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
        return tuple(EpochMetrics.model_validate_json(line) for line in lines)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise DataError(f"{path} is damaged: {error.errors(include_url=False)[0]['msg']}") from error
