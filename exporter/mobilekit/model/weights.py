"""Weights: a checkpoint file -> a module's state. Never unpickles: safetensors, or torch.load(weights_only=True)."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.errors import WeightsError
from mobilekit.quiet import quiet

if TYPE_CHECKING:
    import torch
    from torch import nn

_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
_NESTED = ("state_dict", "model_state_dict", "model", "module", "net")
_SHOWN = 5


def load_weights(module: nn.Module, path: Path) -> None:
    """Load a checkpoint into `module`, strictly: every tensor is used and every parameter is given.

    Raises WeightsError when the file is missing, unsafe, damaged or does not fit.
    """
    state = read_state_dict(path)
    own = module.state_dict()
    missing = sorted(set(own) - set(state))
    unexpected = sorted(set(state) - set(own))
    misfits = [
        f"{name}: the model has {list(own[name].shape)}, the file {list(state[name].shape)}"
        for name in sorted(set(own) & set(state))
        if own[name].shape != state[name].shape
    ]
    findings = [
        *([f"missing in the file: {_listed(missing)}"] if missing else []),
        *([f"unknown to the model: {_listed(unexpected)}"] if unexpected else []),
        *misfits[:_SHOWN],
    ]
    if findings:
        lines = "".join(f"\n  {finding}" for finding in findings)
        raise WeightsError(
            f"{path} does not fit the model:{lines}", hint="check that build() makes the architecture this file is for"
        )
    module.load_state_dict(state)


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint by name. Raises WeightsError."""
    if not path.is_file():
        raise WeightsError(f"no such weights file: {path}")
    if path.suffix not in _SUFFIXES:
        raise WeightsError(f"{path}: weights must be one of {', '.join(_SUFFIXES)}")
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)


def check_finite(state: dict[str, torch.Tensor], *, what: str) -> None:
    """Raise WeightsError naming the tensors of `state` that hold NaN or infinity."""
    bad = [name for name, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if bad:
        raise WeightsError(
            f"{what} has values that are not finite (NaN or infinity) in: {_listed(bad)}",
            hint="the training diverged or the file is damaged; export an earlier checkpoint",
        )


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file: {error}") from error


def _read_torch(path: Path) -> dict[str, torch.Tensor]:
    import torch

    try:
        with quiet():
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} was refused: it is a pickle that holds more than tensors, and loading it could run any code.\n"
            f"  {_first_line(error)}",
            hint="save only tensors: safetensors.torch.save_file(model.state_dict(), 'model.safetensors')",
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} is not a readable checkpoint: {_first_line(error)}") from error
    return _tensors_of(content, path)


def _tensors_of(content: Any, path: Path) -> dict[str, torch.Tensor]:
    import torch

    if isinstance(content, dict):
        for key in _NESTED:
            if isinstance(content.get(key), dict):
                return _tensors_of(content[key], path)
        if content and all(isinstance(value, torch.Tensor) for value in content.values()):
            return content
    raise WeightsError(
        f"{path} holds no state dict (a dict of tensors, or one under {', '.join(_NESTED)})",
        hint="save model.state_dict()",
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
