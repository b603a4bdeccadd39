"""What quantizing did: which operators became int8, and how far the quantized program is from the float one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilekit.bundle.measured import LayerNoise, RangeRule
from mobilekit.quantize.mixed import Plan
from mobilekit.spec.quantize import Rule

if TYPE_CHECKING:
    from torch.export import ExportedProgram


@dataclass(frozen=True)
class QuantizationReport:
    """`quantized` of `candidates` operators that have an int8 form got one; `samples` calibrated the scales.

    `rule` gave the ranges of activations; `tried` is empty where it was not chosen by measuring. `plan`: what stays
    float for an accuracy budget, where there was one.
    """

    samples: int
    quantized: int
    candidates: int
    layers: tuple[LayerNoise, ...]
    rule: Rule
    tried: tuple[RangeRule, ...] = ()
    plan: Plan | None = None


@dataclass(frozen=True)
class Quantized:
    """A program with quantize/dequantize nodes, and the report on it."""

    program: ExportedProgram
    report: QuantizationReport
