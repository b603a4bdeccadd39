"""Device: auto, cpu, cuda or mps -> a torch device that is really there, and the threads that suit the work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mobilekit.environment import WORTH_SHARING
from mobilekit.errors import SetupError, UnknownName

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")


def resolve_device(name: str, index: int = 0) -> torch.device:
    """The device called `name`, of several the one at `index`; auto is CUDA, then MPS, then the CPU.

    Raises UnknownName for another name, SetupError for a device that this machine or this torch lacks.
    """
    import torch

    if name not in DEVICES:
        raise UnknownName("device", name, DEVICES)
    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in usable.items() if there)
    if not usable[name]:
        have = ", ".join(kind for kind, there in usable.items() if there)
        raise SetupError(
            f"device {name!r} is not available (have: {have})", hint="--device auto takes the best there is"
        )
    if name == "cuda" and index >= torch.cuda.device_count():
        raise SetupError(
            f"process {index} of this machine needs a GPU of its own; there are {torch.cuda.device_count()}",
            hint="torchrun --nproc-per-node at most that many",
        )
    return torch.device(name, index) if name == "cuda" else torch.device(name)


@contextlib.contextmanager
def suitable_threads(values_per_batch: int) -> Iterator[None]:
    """One thread for the block when a batch is small, else as many as torch has; the caller's number comes back.

    Handing a layer of some thousand values to several threads costs more than computing it, and where other
    processes want the cores, each hand-over waits for them: digits_cnn (4,096 values a batch) took 4 s on one thread
    and 41 s and 127 s on two, of two busy cores. One thread also gives the same bits on machines of any core count.
    """
    import torch

    before = torch.get_num_threads()
    if values_per_batch < WORTH_SHARING:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
