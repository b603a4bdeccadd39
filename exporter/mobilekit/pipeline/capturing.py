"""Capturing: a source's float program, how many classes it tells apart, and a program as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.capture import Captured, capture, captured_program
from mobilekit.lower.rewrite import without_traces
from mobilekit.model import ModelSource
from mobilekit.pipeline.storage import storing
from mobilekit.progress import Progress

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram


def captured_source(
    source: ModelSource, example: Sequence[torch.Tensor] | None = None, *, progress: Progress
) -> Captured:
    """The model, built and captured; a program that was saved is taken as it is. Raises what capturing raises."""
    with progress.task(f"capturing {source.recipe.name}"):
        if source.program is not None:
            return captured_program(source.program)
        return capture(source.build(), source.recipe.inputs, example=example)


def classes_of(captured: Captured) -> int | None:
    """The width of the first output when it is (batch, classes)."""
    shape = captured.outputs[0].shape
    return shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None


def save_program(program: ExportedProgram, path: Path) -> None:
    """`program` as a .pt2 at `path`: the same bytes for the same program. Raises StorageError."""
    from mobilekit.model.pt2 import save_pt2

    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_pt2(without_traces(program), path)
