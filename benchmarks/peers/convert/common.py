"""Common: what the converters share. Standard library and numpy only, since each runs in its peer's own environment.

A converter is started as `python <file> MATERIAL OUT` and answers on its last line, as JSON, with what it wrote for
each scheme or why it wrote nothing. What libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

Made = dict[str, Any]


def calibration(material: Path) -> list[np.ndarray]:
    """The calibration samples, each with its batch dimension of 1."""
    stacked = np.load(material / "calibration.npy")
    return [stacked[index : index + 1] for index in range(len(stacked))]


def program(material: Path) -> Any:
    """The torch.export program that everybody starts from."""
    import torch

    return torch.export.load(material / "model.pt2")


class NotOfferedError(Exception):
    """A peer has no way to do it; its message is the row's reason."""


def convert(steps: dict[str, Callable[[Path, Path], list[Path]]], packages: tuple[str, ...]) -> None:
    """Run `steps`, scheme by scheme, and answer. A later scheme may use what an earlier one left in OUT."""
    material, out = Path(sys.argv[1]), Path(sys.argv[2])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    made = {scheme: _made(step, material, out) for scheme, step in steps.items()}
    versions = {name: metadata.version(name) for name in packages}
    print(json.dumps({"made": made, "versions": versions}), file=replies, flush=True)
    os._exit(0)  # without waiting for what threads of the libraries still do


def _made(step: Callable[[Path, Path], list[Path]], material: Path, out: Path) -> Made:
    started, used = time.perf_counter(), _cpu_seconds()
    try:
        files = step(material, out)
    except NotOfferedError as reason:
        return {"reason": str(reason)}
    except Exception as error:
        traceback.print_exc()
        text = str(error).strip() or type(error).__name__
        return {"reason": f"{type(error).__name__}: {text.splitlines()[0][:200]}"}
    return {
        "files": [str(file) for file in files],
        "bytes": sum(file.stat().st_size for file in files),
        "seconds": time.perf_counter() - started,
        "cpu_seconds": _cpu_seconds() - used,
    }


def _cpu_seconds() -> float:
    """Of this process and of what it started."""
    both = (resource.getrusage(one) for one in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)
