"""Attention: as two batched products around a softmax where it has no mask, and batched products themselves.

torch's own decomposition guards against rows that are masked throughout (any, eq, where); without a mask there are
none, and those operators are portable kernels between delegates.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(q k^T scale) v, Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), for (..., tokens, d)."""
    import torch

    lead = query.shape[:-2]
    if attn_mask is not None or dropout_p or is_causal or enable_gqa or not lead or key.shape[:-2] != lead:
        return NotImplemented
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    q, k, v = (one.reshape(math.prod(lead), *one.shape[-2:]) for one in (query * scale, key, value))
    weights = torch.softmax(torch.bmm(q, k.transpose(1, 2)), dim=-1)
    return torch.bmm(weights, v).reshape(*lead, query.shape[-2], value.shape[-1])


def matmul(a: Tensor, b: Tensor) -> Any:
    """A batched product of (..., n, k) and (..., k, m); torch expands both first, which cuts a delegate."""
    import torch

    lead = a.shape[:-2]
    if not lead or b.shape[:-2] != lead:
        return NotImplemented
    flat = (one.reshape(math.prod(lead), *one.shape[-2:]) for one in (a, b))
    return torch.bmm(*flat).reshape(*lead, a.shape[-2], b.shape[-1])
