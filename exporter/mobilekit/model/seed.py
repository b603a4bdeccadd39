"""Seeding the user's build(): the same seed gives the same initial weights; the caller's random state is left alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's CPU generator at `seed` for the block: weights are made on the CPU. Restored afterwards."""
    import torch

    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)
