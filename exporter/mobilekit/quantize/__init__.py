"""Quantize: float ExportedProgram -> ExportedProgram with quantize/dequantize nodes. Never lowers."""

from mobilekit.quantize.prepare import prepare
from mobilekit.quantize.pt2e import quantize
from mobilekit.quantize.ranking import Ranking, rank_layers
from mobilekit.quantize.report import QuantizationReport, Quantized
from mobilekit.quantize.schemes import SCHEMES, Scheme, scheme

__all__ = [
    "SCHEMES",
    "QuantizationReport",
    "Quantized",
    "Ranking",
    "Scheme",
    "prepare",
    "quantize",
    "rank_layers",
    "scheme",
]
