"""Capture: nn.Module -> ExportedProgram, with named inputs and bounded dynamic dimensions. Never quantizes."""

from mobilekit.capture.causes import CAUSES, Cause
from mobilekit.capture.example import example_inputs
from mobilekit.capture.trace import Captured, capture, captured_program, export_graph

__all__ = ["CAUSES", "Captured", "Cause", "capture", "captured_program", "example_inputs", "export_graph"]
