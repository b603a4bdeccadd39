"""Normalization of the last dimension, in products and elementwise operators: XNNPACK has no layer norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mobilekit.lower.rewrites.pooling import last_mean

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:
    """Over the last dimension (Ba et al. 2016, https://arxiv.org/abs/1607.06450), the variance from centred values."""
    import torch

    if len(normalized_shape) != 1 or not isinstance(x.shape[-1], int):
        return NotImplemented
    centred = x - last_mean(x)
    normed = centred * torch.rsqrt(last_mean(centred * centred) + eps)
    if weight is not None:
        normed = normed * weight
    return normed if bias is None else normed + bias


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Any:
    """The Euclidean length over the last dimension: a square, a linear layer of ones, a root."""
    import torch
    from torch.nn import functional

    if ord != 2 or dim is None or [one % x.dim() for one in dim] != [x.dim() - 1] or dtype not in (None, x.dtype):
        return NotImplemented
    if not isinstance(x.shape[-1], int):
        return NotImplemented
    length = torch.sqrt(functional.linear(x * x, torch.ones((1, x.shape[-1]), dtype=x.dtype)))
    return length if keepdim else length.squeeze(-1)
