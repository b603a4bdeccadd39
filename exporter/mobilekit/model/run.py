"""The run card: run.json, what a training was and what it reached. Refuses a folder that is not a run of this schema.

A run is a folder: run.json, metrics.jsonl (one line per epoch), best.safetensors, last.safetensors, tensorboard/,
checkpoints/ while it is not complete, and copies of the recipe.toml and model.py that it was made from.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from mobilekit.environment import Environment
from mobilekit.errors import Problem, SpecError, UsageError
from mobilekit.files import write_atomically
from mobilekit.spec.base import Spec
from mobilekit.spec.load import problems_of
from mobilekit.spec.train import TrainSpec

SCHEMA_VERSION = 1
CARD = "run.json"
BEST = "best.safetensors"

Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class RunCard(Spec):
    """run.json. Figures are None until they have been measured: an interrupted run has no test accuracy."""

    schema_version: Literal[1] = 1
    model: str = Field(description="how the model was named: a zoo name, a folder, torchvision:...")
    recipe_name: str
    data: str = Field(description="the data set's name")
    seed: Count
    qat: str | None = Field(default=None, description="training for int8: how its trained start was named")
    train: TrainSpec | None = Field(default=None, description="every training option, as it was used")
    epochs_planned: Annotated[int, Field(ge=1)]
    epochs_done: Count = 0
    status: Literal["running", "complete", "interrupted"] = "running"
    best_epoch: Count | None = Field(default=None, description="counted from 1; the epoch whose weights are kept")
    val_top1: Fraction | None = Field(default=None, description="of the best epoch, on the part held back from train")
    test_top1: Fraction | None = Field(default=None, description="of the best weights; measured once, at the end")
    train_samples: Count | None = None
    val_samples: Count | None = None
    test_samples: Count | None = None
    weights: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")] = BEST
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    device: str | None = None
    processes: Annotated[int, Field(ge=1)] = Field(default=1, description="under torchrun; each with its own batches")
    resumed: Count = Field(default=0, description="how often the run was taken up again")
    seconds: Annotated[float, Field(ge=0)] | None = Field(default=None, description="training and validation")
    environment: Environment
    created: str = Field(description="UTC, ISO 8601")


def write_run_card(folder: Path, card: RunCard) -> Path:
    """Write `folder`/run.json atomically and return its path. Raises StorageError."""
    path = folder / CARD
    write_atomically(path, card.model_dump_json(indent=2) + "\n")
    return path


def load_run_card(folder: Path) -> RunCard:
    """Read `folder`/run.json.

    Raises UsageError when the folder is not a run, or is one of another schema version, and SpecError with all
    problems when the card does not validate.
    """
    path = folder / CARD
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{folder} is not a run: it has no {CARD}", hint="`mobilekit train` makes runs") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}", hint="the file is damaged; train again") from error
    _check_version(path, raw)
    try:
        return RunCard.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        raise SpecError(str(path), problems_of(error), hint="the file was changed or is damaged") from error


def _check_version(path: Path, raw: object) -> None:
    if not isinstance(raw, dict):
        raise SpecError(str(path), [Problem("run", type(raw).__name__, "must be a JSON object")])
    version = raw.get("schema_version")
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"{path} has schema version {version!r}; this mobilekit reads version {SCHEMA_VERSION}",
            hint="use the mobilekit that wrote it, or train again",
        )
