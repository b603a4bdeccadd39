"""Measured: the part of bundle.json that says what was measured: verification, quantization noise, benchmark.

What was not executed has no figures but a reason. Refuses an interval whose ends are the wrong way round.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mobilekit.spec.base import Spec
from mobilekit.spec.quantize import QuantizeSpec, Rule

Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Metrics(Spec):
    """An artifact's outputs against eager's, on the same real samples."""

    samples: Count
    top1: Fraction | None = Field(default=None, description="None when the samples carry no labels of this model")
    top1_eager: Fraction | None = None
    agreement: Fraction | None = Field(default=None, description="share of samples whose arg-max equals eager's")
    sqnr_db: float | None = Field(
        description="signal to quantization noise of the worst output; null: all equal; -200: some value is not finite"
    )
    max_abs_error: Annotated[float, Field(ge=0)] = Field(description="over the values that are finite in both")
    nonfinite: Count = Field(default=0, description="output values that are NaN, or infinite on one side only")

    @property
    def lost_points(self) -> float | None:
        """Points of top-1 lost against eager, of agreement where there are no labels; None: no classes."""
        if self.top1 is not None and self.top1_eager is not None:
            return 100 * (self.top1_eager - self.top1)
        return None if self.agreement is None else 100 * (1 - self.agreement)


class Check(Spec):
    """One figure held against a named threshold. `value` None: there is no difference at all (SQNR is infinite)."""

    name: str
    value: float | None
    threshold: float
    bound: Literal["at least", "at most"] = "at least"
    passed: bool


class Verification(Spec):
    """What running the artifact showed. `metrics` and `checks` are present exactly when it was executed."""

    executed: bool
    reason: str | None = Field(default=None, description="why it was not executed here")
    runner: str | None = None
    metrics: Metrics | None = None
    checks: tuple[Check, ...] = ()

    @model_validator(mode="after")
    def _never_a_tick_for_what_was_not_run(self) -> Self:
        if self.executed != (self.metrics is not None) or (not self.executed and (self.checks or not self.reason)):
            raise ValueError("an executed artifact has metrics; one that was not executed has a reason and no checks")
        return self

    @property
    def passed(self) -> bool | None:
        """True or False for what was held against thresholds, None for what was not."""
        return all(check.passed for check in self.checks) if self.checks else None


class LayerNoise(Spec):
    """What arrives at one layer's int8 output, with the noise of all layers before it."""

    name: str = Field(description="the module's path in the model, or the graph's name for it")
    operator: str = Field(description="as torch.export names it; 'input' for an input of the model")
    sqnr_db: float | None = Field(description="signal to quantization noise against float; null: all values are equal")
    alone_sqnr_db: float | None = Field(
        default=None,
        description="what the outputs would have, were only this layer int8; null: not measured, or no noise",
    )


class RangeRule(Spec):
    """One way to take an activation's range from the values seen, and what all of them made so came to."""

    rule: Rule
    sqnr_db: float | None = Field(
        description="of the worst output, on calibration samples that the ranges were not measured on; null: all equal"
    )


class Quantization(Spec):
    """The quantized program that the artifacts of a scheme were lowered from.

    Fields with a default came with later releases: older bundles do not have them.
    """

    scheme: str
    quantized: Count = Field(description="convolutions and linear layers that compute in int8")
    candidates: Count = Field(description="all convolutions and linear layers")
    layers: tuple[LayerNoise, ...] = Field(description="in the order they are computed, on calibration samples")
    options: QuantizeSpec | None = Field(default=None, description="as the recipe or the command said")
    rule: Rule | None = Field(default=None, description="by which activation ranges were taken")
    tried: tuple[RangeRule, ...] = Field(default=(), description="where the rule was chosen by measuring")
    floating: tuple[str, ...] = Field(
        default=(), description="layers that stay float for an accuracy budget, the most costly first"
    )
    drop_points: float | None = Field(
        default=None, description="points of top-1 lost on the calibration samples, where there is a budget"
    )


class Interval(Spec):
    """Where a figure lies with 95 % confidence, or the lowest and highest that were seen."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low must not be above high ({self.low} and {self.high})")
        return self


class Latency(Spec):
    """Milliseconds per call, each runtime alone in its own process, in rounds in which all take turns.

    Fields with a default of None came with later releases: older bundles do not have them.
    """

    n: Annotated[int, Field(ge=1)]
    warmup: Count
    median_ms: float
    p90_ms: float
    min_ms: float
    iqr_ms: float
    threads: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)] | None = Field(default=None, description="samples in one call")
    rounds: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="blocks of timings that the figures rest on, one per turn"
    )
    p99_ms: float | None = None
    median_ci95: Interval | None = Field(default=None, description="of the median, by a bootstrap over rounds")
    ratio_to_eager: float | None = Field(
        default=None, description="median over eager's median, same run; since there are rounds, the median of theirs"
    )
    ratio_ci95: Interval | None = Field(default=None, description="of the ratio, by a bootstrap over rounds")
    self_ratio: float | None = Field(
        default=None, description="a second copy in a process of its own over the first, same run: the noise floor"
    )
    self_ratio_ci95: Interval | None = None
    pinned_cores: tuple[Count, ...] | None = Field(
        default=None, description="the cores that the process was held to; null: wherever the system put it"
    )
    preemptions_per_second: float | None = Field(
        default=None,
        description="how often other programs took a core away; above 100 the figures tell the machine's load",
    )
    steal_share: Fraction | None = Field(
        default=None, description="share of the processor's time that a virtual machine's host gave to others meanwhile"
    )
    frequency_mhz: Interval | None = Field(
        default=None, description="lowest and highest clock that was seen between rounds"
    )


class ColdStart(Spec):
    """The first use in new processes, the file in the page cache. Medians over `n` of them."""

    n: Annotated[int, Field(ge=1)]
    threads: Annotated[int, Field(ge=1)]
    load_ms: Annotated[float, Field(ge=0)]
    first_ms: Annotated[float, Field(ge=0)] = Field(description="the first inference")
    slowest_ms: Annotated[float, Field(ge=0)] = Field(description="load and first inference of the slowest start")


class OperatorInstructions(Spec):
    """One kind of operator: all its calls in one inference together."""

    name: str = Field(description="as its backend calls it inside a delegate, and as its kernel is called outside")
    calls: Annotated[int, Field(ge=1)]
    instructions: Count


class Instructions(Spec):
    """Of an emulated core, in one thread, after warm-up. docs/runners.md says what it tells of time."""

    cpu: str = Field(description="the processor core, for example cortex-a76")
    per_inference: Annotated[int, Field(ge=1)] = Field(description="the median of `n` inferences")
    spread: Annotated[int, Field(ge=0)] = Field(description="the most minus the fewest; 0 where the count repeats")
    n: Annotated[int, Field(ge=1)]
    operators: tuple[OperatorInstructions, ...] = Field(
        default=(), description="the most costly first; the rest of `per_inference` lies between them. Empty: not told"
    )


class Benchmark(Spec):
    """Latency, load time and memory of one artifact."""

    executed: bool
    reason: str | None = None
    runner: str | None = None
    latency: Latency | None = None
    load_ms: float | None = None
    peak_memory_bytes: Count | None = Field(
        default=None, description="peak resident memory above the level before loading"
    )
    others: tuple[Latency, ...] = Field(default=(), description="at other numbers of threads and batch sizes")
    cold: ColdStart | None = None
    instructions: Instructions | None = Field(default=None, description="null: they were not counted")

    @model_validator(mode="after")
    def _figures_exactly_when_executed(self) -> Self:
        if self.executed != (self.latency is not None) or (not self.executed and not self.reason):
            raise ValueError("an executed benchmark has latency; one that was not executed has a reason")
        return self
