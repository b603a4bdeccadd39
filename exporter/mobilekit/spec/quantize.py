"""Quantization options: what `[quantize]` in a recipe may say. docs/quantization.md explains each."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mobilekit.spec.base import Spec

Rule = Literal["min-max", "moving-average", "percentile", "mse"]
RULES: tuple[Rule, ...] = ("mse", "percentile", "moving-average", "min-max")
"""In the order in which they are tried; where two come out equal, the first one is taken."""


class QuantizeSpec(Spec):
    """How static int8 is made: where ranges are cut, and what mends the weights before they are rounded."""

    observer: Rule | Literal["auto"] = Field(
        default="auto",
        description="how ranges follow from the values seen; auto: the best one by measuring",
    )
    percentile: Annotated[float, Field(gt=50, le=100)] = Field(
        default=99.99,
        description="of observer percentile: how many percent of the values lie below the upper end",
    )
    weights: Literal["per-channel", "per-tensor"] = Field(
        default="per-channel", description="one scale for each output channel of a weight, or one for all"
    )
    weight_observer: Literal["min-max", "mse"] = Field(
        default="min-max", description="the range of a weight: all of it, or where rounding and cutting cost least"
    )
    equalize: bool = Field(default=False, description="cross-layer equalization (Nagel et al. 2019)")
    bias_correction: bool = Field(default=False, description="empirical bias correction (Nagel et al. 2019)")
    adaround: bool = Field(default=False, description="adaptive rounding of weights (Nagel et al. 2020); takes minutes")
    adaround_steps: Annotated[int, Field(ge=1, le=100_000)] = Field(default=1000, description="of Adam, for each layer")
    sensitivity: bool = Field(default=False, description="measure what each layer alone costs the outputs")
    max_drop: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None, description="points of top-1 that may be lost on calibration samples; layers stay float for it"
    )
    floating: tuple[str, ...] = Field(
        default=(), description="of scheme mixed: these layers stay float, by name, in place of those a budget needs"
    )

    @model_validator(mode="after")
    def _one_reason_to_stay_float(self) -> Self:
        if self.floating and self.max_drop is not None:
            raise ValueError("floating names the layers that stay float, max_drop has them found: give one of the two")
        return self
