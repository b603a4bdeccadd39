"""Distributed: the processes that torchrun started, as one value. Without torchrun, a world of one. Starts none itself.

Source: https://docs.pytorch.org/docs/stable/elastic/run.html (the environment that torchrun sets).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilekit.errors import SetupError

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class World:
    """`rank` of `size` processes; `local` counts them on this machine. Rank 0 writes, the others only compute."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of `values` over all processes, the same in each."""
        import torch

        if self.size > 1:
            torch.distributed.all_reduce(values)
        return values

    def align(self, module: nn.Module) -> None:
        """Give every process the leader's buffers: batch norms have seen other samples in each."""
        import torch

        if self.size > 1:
            for buffer in module.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def wait(self) -> None:
        """Return when every process is here."""
        import torch

        if self.size > 1:
            torch.distributed.barrier()


ALONE = World()


def launched() -> World:
    """What torchrun's environment says; a world of one without it. Raises SetupError when it contradicts itself."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return ALONE
    try:
        world = World(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_RANK", "0")))
    except ValueError as error:
        raise SetupError(
            f"RANK, WORLD_SIZE or LOCAL_RANK is not a number: {error}", hint="start with torchrun"
        ) from error
    if not 0 <= world.rank < world.size:
        raise SetupError(f"RANK {world.rank} is not below WORLD_SIZE {world.size}", hint="start with torchrun")
    return world


@contextlib.contextmanager
def joined(world: World, device: torch.device) -> Iterator[None]:
    """Inside, the processes of `world` can talk: by NCCL on CUDA, by gloo elsewhere. Raises SetupError."""
    import torch

    if world.size == 1 or torch.distributed.is_initialized():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        raise SetupError(f"the {world.size} processes cannot meet: {error}", hint="start them with torchrun") from error
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()
