"""Moving data: everything that takes a part of a tensor as slices, which XNNPACK takes where sizes are static."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def chunk(x: Tensor, chunks: int, dim: int = 0) -> Any:
    """As few as `chunks` equal parts, the last one smaller."""
    return split(x, -(-x.shape[dim] // chunks), dim)


def split(x: Tensor, split_size: int, dim: int = 0) -> Any:
    """Parts of `split_size`, the last one smaller."""
    length = x.shape[dim]
    if not isinstance(length, int):
        return NotImplemented
    return [x.narrow(dim, first, min(split_size, length - first)) for first in range(0, length, split_size)]


def split_with_sizes(x: Tensor, split_sizes: Sequence[int], dim: int = 0) -> Any:
    """Parts of these sizes."""
    if not isinstance(x.shape[dim], int):
        return NotImplemented
    return [x.narrow(dim, sum(split_sizes[:index]), size) for index, size in enumerate(split_sizes)]


def unbind(x: Tensor, dim: int = 0) -> Any:
    """Each position of a dimension, without that dimension."""
    length = x.shape[dim]
    if not isinstance(length, int):
        return NotImplemented
    return [select(x, dim, index) for index in range(length)]


def select(x: Tensor, dim: int, index: int) -> Any:
    """One position of a dimension: a slice of length 1, and a reshape that drops it."""
    dim = dim % x.dim()
    if not isinstance(x.shape[dim], int):
        return NotImplemented
    kept = [size for axis, size in enumerate(x.shape) if axis != dim]
    return x.narrow(dim, index % x.shape[dim], 1).reshape(kept)


def squeeze(x: Tensor, dim: int | Sequence[int]) -> Any:
    """A reshape without those of the dimensions that are 1, which XNNPACK takes."""
    dropped = {one % x.dim() for one in ([dim] if isinstance(dim, int) else dim)}
    return _reshaped(x, [size for axis, size in enumerate(x.shape) if axis not in dropped or size != 1])


def unsqueeze(x: Tensor, dim: int) -> Any:
    """A reshape with one more dimension."""
    at = dim % (x.dim() + 1)
    return _reshaped(x, [*x.shape[:at], 1, *x.shape[at:]])


def new_zeros(x: Tensor, size: Sequence[int], *, dtype: torch.dtype | None = None, **_where: Any) -> Any:
    """Zeros that do not hang on `x`, so that what is made of them is computed once: the masks of Swin's windows."""
    import torch

    if not all(isinstance(one, int) for one in size):
        return NotImplemented
    return torch.zeros(list(size), dtype=dtype or x.dtype)


def pad(x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """By nothing: itself."""
    return NotImplemented if any(pad) else x.clone()


def alias(x: Tensor) -> Tensor:
    """Itself: nothing is changed in place any more, so that nothing can tell."""
    return x.clone()


def _reshaped(x: Tensor, sizes: Sequence[int]) -> Any:
    return x.reshape(sizes) if sum(not isinstance(size, int) for size in sizes) < 2 else NotImplemented


def roll(x: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Any:
    """Each dimension in turn: its two parts change places."""
    import torch

    if len(shifts) != len(dims) or not all(isinstance(x.shape[dim], int) for dim in dims):
        return NotImplemented
    for shift, dim in zip(shifts, dims, strict=True):
        length = x.shape[dim]
        moved = shift % length
        if moved:
            x = torch.cat([x.narrow(dim, length - moved, moved), x.narrow(dim, 0, length - moved)], dim)
    return x.clone()


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Any:
    """Of one tensor: itself. XNNPACK joins two or more."""
    return tensors[0].clone() if len(tensors) == 1 else NotImplemented


def expand(x: Tensor, size: Sequence[int], *, implicit: bool = False) -> Any:
    """To its own shape: itself. Elsewhere elementwise operators broadcast by themselves; the rest stays."""
    same = len(size) == x.dim() and all(given in (-1, own) for given, own in zip(size, x.shape, strict=True))
    return x.clone() if same else NotImplemented
