"""Rewrites: plain functions that say an ATen operator in other operators, those that a target takes; see apply.py."""

from mobilekit.lower.rewrites.apply import Rewrites, rewritten
from mobilekit.lower.rewrites.attention import matmul, scaled_dot_product_attention
from mobilekit.lower.rewrites.elementwise import hardsigmoid
from mobilekit.lower.rewrites.moving import (
    alias,
    cat,
    chunk,
    expand,
    new_zeros,
    pad,
    roll,
    select,
    split,
    split_with_sizes,
    squeeze,
    unbind,
    unsqueeze,
)
from mobilekit.lower.rewrites.norms import layer_norm, vector_norm
from mobilekit.lower.rewrites.pooling import adaptive_avg_pool2d, avg_pool2d, mean

__all__ = ["XNNPACK", "Rewrites", "rewritten"]

XNNPACK: Rewrites = {
    "adaptive_avg_pool2d.default": adaptive_avg_pool2d,
    "alias.default": alias,
    "avg_pool2d.default": avg_pool2d,
    "cat.default": cat,
    "chunk.default": chunk,
    "expand.default": expand,
    "hardsigmoid.default": hardsigmoid,
    "layer_norm.default": layer_norm,
    "linalg_vector_norm.default": vector_norm,
    "matmul.default": matmul,
    "mean.dim": mean,
    "new_zeros.default": new_zeros,
    "pad.default": pad,
    "roll.default": roll,
    "scaled_dot_product_attention.default": scaled_dot_product_attention,
    "select.int": select,
    "split.Tensor": split,
    "split_with_sizes.default": split_with_sizes,
    "squeeze.dim": squeeze,
    "squeeze.dims": squeeze,
    "unbind.int": unbind,
    "unsqueeze.default": unsqueeze,
}
"""What the stock route leaves to portable kernels, each of which also cuts the delegate in two."""
