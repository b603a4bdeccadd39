"""The card of published weights: card.json beside weights.safetensors, what they are and what vouches for them.

Any model folder may hold the two, a zoo model's or one of yours: the weights are then used without being asked for.
Refuses weights that are not those of the card, and a card without the weights that it says are there.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from mobilekit.environment import Environment
from mobilekit.errors import Problem, SpecError, UsageError, WeightsError
from mobilekit.files import sha256
from mobilekit.model.run import Count, Fraction
from mobilekit.spec.base import Spec
from mobilekit.spec.load import problems_of

CARD, WEIGHTS = "card.json", "weights.safetensors"
Positive = Annotated[int, Field(ge=1)]


class CardData(Spec):
    """What the weights were trained and measured on."""

    name: str = Field(description="as --data takes it; of a path, the last part")
    train_samples: Positive
    validation_samples: Positive = Field(description="held back from the train split to choose the best epoch")
    test_samples: Positive = Field(description="what top1 was measured on; nothing was chosen by them")
    origin: str | None = Field(default=None, description="where the data comes from")
    license: str | None = Field(default=None, description="of the data")


class SeedAccuracy(Spec):
    """One training of the same recipe."""

    seed: Count
    top1: Fraction


class Spread(Spec):
    """The same command with several seeds, the published one among them: how far a retraining may differ."""

    runs: Annotated[tuple[SeedAccuracy, ...], Field(min_length=2)]
    mean_top1: Fraction
    std_top1: Annotated[float, Field(ge=0, description="sample standard deviation")]

    @classmethod
    def of(cls, runs: Sequence[SeedAccuracy]) -> Spread:
        """Mean and spread of at least two runs."""
        reached = [one.top1 for one in runs]
        return cls(runs=tuple(runs), mean_top1=statistics.fmean(reached), std_top1=statistics.stdev(reached))

    @model_validator(mode="after")
    def _follow_from_the_runs(self) -> Self:
        reached = [one.top1 for one in self.runs]
        off = (self.mean_top1 - statistics.fmean(reached), self.std_top1 - statistics.stdev(reached))
        if max(map(abs, off)) > 1e-9:
            raise ValueError("mean_top1 and std_top1 do not follow from the runs")
        return self


class ArtifactAccuracy(Spec):
    """What one artifact of these weights reached in its runtime, against eager on the same samples."""

    target: str
    scheme: str
    top1: Fraction
    top1_eager: Fraction
    samples: Positive


class Card(Spec):
    """card.json. Figures are the run's and the bundle's own; none is typed in."""

    schema_version: Literal[1] = 1
    model: str = Field(description="the recipe's name")
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    shipped: bool = Field(default=True, description="false: too large to come along; the command trains them")
    command: str = Field(description="trains such weights again")
    data: CardData
    seed: Count
    epochs: Positive = Field(description="that were trained; the best of them is kept")
    best_epoch: Positive
    top1: Fraction = Field(description="of these weights in float on all test samples")
    spread: Spread | None = Field(default=None, description="over several seeds, where they were trained")
    artifacts: tuple[ArtifactAccuracy, ...] = Field(
        default=(), description="as a bundle of these weights measured them"
    )
    device: str
    environment: Environment
    created: str = Field(description="when the training began: UTC, ISO 8601")

    def describe(self) -> str:
        """`98.9% on digits (n = 359)`, with mean and spread where there are several seeds."""
        text = f"{self.top1:.1%} on {self.data.name} (n = {self.data.test_samples:,})"
        if self.spread is None:
            return text
        return (
            f"{text}, {self.spread.mean_top1:.1%} ± {100 * self.spread.std_top1:.1f} over {len(self.spread.runs)} seeds"
        )


def published(folder: Path) -> tuple[Path, Card | None] | None:
    """The weights that lie in a model folder, checked against the card beside them; None when there are none.

    Raises WeightsError for weights that are not the card's, UsageError and SpecError for a card that cannot be read.
    """
    weights = folder / WEIGHTS
    card = load_card(folder)
    if not weights.is_file():
        if card is not None and card.shipped:
            raise WeightsError(
                f"{folder} has a {CARD} and no {WEIGHTS}", hint=f"put the weights there, or remove {CARD}"
            )
        return None
    if card is not None and sha256(weights) != card.weights_sha256:
        raise WeightsError(
            f"{weights} is not the file that {CARD} describes: their hashes differ",
            hint=f"fetch the weights again, publish your own with `mobilekit publish RUN {folder}`, "
            "or leave them out with --weights random",
        )
    return weights, card


def load_card(folder: Path) -> Card | None:
    """`folder`/card.json, or None when there is none. Raises UsageError and SpecError when it cannot be read."""
    path = folder / CARD
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}", hint="the file is damaged; fetch it again") from error
    if not isinstance(raw, dict):
        raise SpecError(str(path), [Problem("card", type(raw).__name__, "must be a JSON object")])
    if raw.get("schema_version") != 1:
        raise UsageError(
            f"{path} has schema version {raw.get('schema_version')!r}; this mobilekit reads version 1",
            hint="use the mobilekit that wrote it, or publish the weights again",
        )
    try:
        return Card.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        raise SpecError(str(path), problems_of(error, Card), hint="the file was changed or is damaged") from error
