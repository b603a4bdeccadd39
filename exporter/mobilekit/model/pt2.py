"""`.pt2` files (saved ExportedPrograms): reading one without letting it run code, and writing one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.errors import ModelError
from mobilekit.files import storage_errors
from mobilekit.model.archive import check_archive
from mobilekit.quiet import quiet
from mobilekit.usercode import summary

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def load_pt2(path: Path) -> ExportedProgram:
    """Check and load a `.pt2`. Raises ModelError when it is missing or damaged, WeightsError when it is unsafe."""
    import torch

    # Not torch.export.load: for a file that this function refuses, it falls back to an older format, and unpickles.
    from torch.export.pt2_archive._package import load_pt2 as load

    if not path.is_file():
        raise ModelError(f"no such file: {path}")
    _register_operators()
    with quiet():
        check_archive(path)
        try:
            program: ExportedProgram = load(str(path)).exported_programs["model"]
        except Exception as error:
            raise ModelError(
                f"{path} cannot be loaded by torch {torch.__version__}: {summary(error)}",
                hint="save it again with torch.export.save under this version of torch",
            ) from error
    return program


def save_pt2(program: ExportedProgram, path: Path) -> None:
    """Write `program` so that load_pt2 accepts it. Raises StorageError."""
    import torch

    buffer = io.BytesIO()  # torch's own file writer ends the whole process when the disk is full
    with quiet():
        torch.export.save(program, buffer)
    with storage_errors(path):
        path.write_bytes(buffer.getbuffer())


def _register_operators() -> None:
    """Quantized programs call operators that exist only once their libraries are imported."""
    import torch.ao.quantization.fx._decomposed  # noqa: F401
