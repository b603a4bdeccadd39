"""Checkpoints: a module's state as safetensors, written whole or not at all. Never pickles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.errors import ModelError
from mobilekit.files import write_atomically

if TYPE_CHECKING:
    from torch import nn

BEST, LAST = "best.safetensors", "last.safetensors"


def state_bytes(module: nn.Module) -> bytes:
    """The module's state dict as a safetensors file: on the CPU, tied tensors written out twice.

    Raises ModelError for state that is not tensors.
    """
    import torch
    from safetensors.torch import save

    state = module.state_dict()
    strange = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if strange:
        raise ModelError(f"the module's state holds more than tensors: {', '.join(strange[:5])}")
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    return save(tensors, metadata={"format": "pt"})  # type: ignore[no-any-return]


def save_checkpoint(folder: Path, module: nn.Module, *names: str) -> None:
    """Write the module's state to `folder` under each of `names`. Raises StorageError, leaving older files whole."""
    content = state_bytes(module)
    for name in names:
        write_atomically(folder / name, content)
