"""Quantize: float ExportedProgram -> ExportedProgram with quantize/dequantize nodes. Never lowers."""

from mobilekit.quantize.prepare import prepare
from mobilekit.quantize.pt2e import quantize
from mobilekit.quantize.report import QuantizationReport, Quantized
from mobilekit.quantize.schemes import SCHEMES, Scheme, scheme

__all__ = ["SCHEMES", "QuantizationReport", "Quantized", "Scheme", "prepare", "quantize", "scheme"]
