"""Training options: what `[train]` in a recipe may say. docs/training.md explains each."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mobilekit.spec.base import Spec

Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1)]
Alpha = Annotated[float, Field(ge=0, le=100)]


class AugmentSpec(Spec):
    """How training samples are varied. Each draw depends on (seed, epoch) alone; nothing here touches validation."""

    shift_pixels: Annotated[int, Field(ge=0, le=64)] = Field(
        default=0, description="images move by up to this many pixels each way, zero-filled: a padded random crop"
    )
    flip: bool = Field(default=False, description="half of the images are mirrored left to right")
    randaugment: Annotated[int, Field(ge=0, le=10)] = Field(default=0, description="operations of RandAugment, 0: none")
    randaugment_magnitude: Annotated[int, Field(ge=0, le=30)] = 9
    erasing: Share = Field(default=0.0, description="probability that a rectangle of an image is blanked")
    mixup: Alpha = Field(default=0.0, description="alpha of MixUp, 0: none")
    cutmix: Alpha = Field(default=0.0, description="alpha of CutMix, 0: none; with mixup, each batch takes one of them")
    shift_frames: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0, description="audio features move by up to this many frames, edge frames repeated"
    )
    mask_frames: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0, description="up to this many frames in a row are blanked (SpecAugment)"
    )
    mask_bands: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0, description="up to this many mel bands in a row are blanked (SpecAugment)"
    )


class TrainSpec(Spec):
    """How `mobilekit train` trains."""

    epochs: Positive = 10
    batch_size: Positive = Field(default=64, description="per process; torchrun with N processes steps on N times it")
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.9, description="of sgd, which is Nesterov's")
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    schedule: Literal["constant", "cosine", "one-cycle", "step"] = "one-cycle"
    warmup_epochs: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="the rate rises in a straight line from 0 before the schedule begins"
    )
    milestones: tuple[Positive, ...] = Field(
        default=(), description="of schedule step: after each of these epochs the rate is divided by 10"
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weights: Literal["none", "balanced"] | tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default="none", description="of the loss; balanced: inverse to how often a class occurs"
    )
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(default=None, description="largest norm of a gradient")
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="keep an exponential moving average of the weights, and score and save that"
    )
    freeze: tuple[str, ...] = Field(
        default=(), description='parameters that stay as they are, by pattern: ["features.*"]; batch norms there too'
    )
    augment: AugmentSpec = AugmentSpec()
    patience: Positive | None = Field(
        default=None, description="stop early after this many epochs without a better validation score"
    )
    amp: Literal["off", "bf16", "fp16"] = Field(default="off", description="mixed precision; fp16 needs CUDA")
    channels_last: bool = True
    compile: bool = Field(default=False, description="torch.compile the step; the first one takes a minute")
    validation_fraction: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.1, description="share of the train split held back to choose the best epoch"
    )
    seed: Seed = 0

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        if (self.schedule == "step") != bool(self.milestones):
            raise ValueError('milestones goes with schedule = "step", for example milestones = [60, 80]')
        if list(self.milestones) != sorted(set(self.milestones)) or any(m >= self.epochs for m in self.milestones):
            raise ValueError(f"milestones must rise and lie below epochs ({self.epochs}), given {self.milestones}")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs:g}) must be below epochs ({self.epochs})")
        return self
