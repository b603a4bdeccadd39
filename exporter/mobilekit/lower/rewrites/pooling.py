"""Averages as XNNPACK takes them: over both spatial dimensions, in windows without padding, or as a matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def adaptive_avg_pool2d(x: Tensor, output_size: Sequence[int]) -> Any:
    """Of its own size: nothing to do. To 1x1: a mean. Of sizes that divide: windows. Else two small matrix products."""
    from torch.nn import functional

    given, wanted = x.shape[-2:], tuple(output_size)
    if x.dim() != 4 or not all(isinstance(size, int) for size in given):
        return NotImplemented
    if wanted == tuple(given):
        return x.clone()
    if wanted == (1, 1):
        return x.mean((2, 3), keepdim=True)
    if given[0] % wanted[0] == 0 and given[1] % wanted[1] == 0:
        window = [given[0] // wanted[0], given[1] // wanted[1]]
        return functional.avg_pool2d(x, window, window)
    across = functional.linear(x, _windows(given[1], wanted[1], x.dtype))
    return functional.linear(across.transpose(2, 3), _windows(given[0], wanted[0], x.dtype)).transpose(2, 3)


def _windows(given: int, wanted: int, dtype: torch.dtype) -> Tensor:
    """(wanted, given): row i averages the positions floor(i g / w) to ceil((i + 1) g / w), as ATen does."""
    import torch

    row, position = torch.arange(wanted).unsqueeze(1), torch.arange(given)
    first, end = row * given // wanted, ((row + 1) * given + wanted - 1) // wanted
    return ((position >= first) & (position < end)).to(dtype) / (end - first).to(dtype)


def avg_pool2d(
    x: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """With padding that counts: as if it did not, which XNNPACK knows, times the share of each window that is inside.

    Writing the zeros out first would do as well, but ExecuTorch makes a program of it that does not load in int8.
    """
    from torch.nn import functional

    if ceil_mode or not count_include_pad or divisor_override is not None or not any(padding):
        return NotImplemented
    given = x.shape[-2:]
    if not all(isinstance(size, int) for size in given):
        return NotImplemented
    steps = stride or kernel_size
    down, across = (_inside(given[axis], kernel_size[axis], steps[axis], padding[axis]).to(x.dtype) for axis in (0, -1))
    averaged = functional.avg_pool2d(x, list(kernel_size), list(stride) or None, list(padding), count_include_pad=False)
    return averaged * (down.reshape(-1, 1) * across)


def _inside(length: int, kernel: int, stride: int, padding: int) -> Tensor:
    """(windows,): the share of each window that lies within `length`, and not in the padding."""
    import torch

    first = torch.arange(0, length + 2 * padding - kernel + 1, stride) - padding
    return ((first + kernel).clamp(max=length) - first.clamp(min=0)) / kernel


def mean(x: Tensor, dim: Sequence[int] | None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Any:
    """XNNPACK takes the mean over both spatial dimensions when they are kept. Over one dimension it is a product."""
    if dtype not in (None, x.dtype) or not x.is_floating_point() or not dim:
        return NotImplemented
    dims = sorted(one % x.dim() for one in dim)
    if x.dim() == 4 and dims == [2, 3]:
        return NotImplemented if keepdim else x.mean((2, 3), keepdim=True).reshape(x.shape[0], x.shape[1])
    if len(dims) > 1 or not isinstance(x.shape[dims[0]], int):
        return NotImplemented
    averaged = last_mean(x.transpose(dims[0], -1)).transpose(dims[0], -1)
    return averaged if keepdim else averaged.reshape([size for axis, size in enumerate(x.shape) if axis != dims[0]])


def last_mean(x: Tensor) -> Tensor:
    """(..., n) -> (..., 1): a linear layer with one output."""
    import torch
    from torch.nn import functional

    count = x.shape[-1]
    return functional.linear(x, torch.full((1, count), 1 / count, dtype=x.dtype))
