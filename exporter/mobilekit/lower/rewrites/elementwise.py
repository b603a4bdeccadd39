"""Activations in the operators that XNNPACK has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def hardsigmoid(x: Tensor) -> Tensor:
    """relu6(x + 3) / 6, without the casts of torch's own decomposition, which no delegate takes."""
    from torch.nn import functional

    return functional.hardtanh(x + 3.0, 0.0, 6.0) * (1.0 / 6.0)
