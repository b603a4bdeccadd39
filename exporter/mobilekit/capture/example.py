"""Examples: input tensors to trace a model with, made from the specs or held against them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mobilekit.errors import CaptureError
from mobilekit.spec import TensorSpec

if TYPE_CHECKING:
    import torch


def example_inputs(inputs: Sequence[TensorSpec], *, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Normal random tensors for float inputs, zeros and ones for the rest, each dynamic dimension at 2 or more."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    tensors = []
    for spec in inputs:
        # torch.export treats sizes 0 and 1 as constants
        shape = spec.sized({name: min(max(2, dim.min), dim.max) for name, dim in spec.dynamic.items()})
        dtype = getattr(torch, spec.dtype)
        if dtype.is_floating_point:
            tensors.append(torch.randn(shape, generator=generator).to(dtype))
        else:
            tensors.append(torch.randint(0, 2, shape, generator=generator).to(dtype))
    return tuple(tensors)


def check_fit(inputs: Sequence[TensorSpec], example: Sequence[torch.Tensor]) -> None:
    """Raise CaptureError when `example` is not one tensor per spec, of its dtype and within its shape."""
    if len(inputs) != len(example):
        raise CaptureError(f"{len(inputs)} inputs are declared, and {len(example)} example tensors were given")
    sizes: dict[str, int] = {}
    for spec, tensor in zip(inputs, example, strict=True):
        problem = spec.mismatch(tensor.shape)
        if problem is None and str(tensor.dtype) != f"torch.{spec.dtype}":
            problem = f"{spec.name} must be {spec.dtype}, given {str(tensor.dtype).removeprefix('torch.')}"
        for dim, size in zip(spec.shape, tensor.shape, strict=False) if problem is None else ():
            if isinstance(dim, str) and sizes.setdefault(dim, size) != size:
                problem = f"dimension {dim!r} is {sizes[dim]} in one input and {size} in {spec.name}"
        if problem is not None:
            raise CaptureError(f"the example does not fit the declared inputs: {problem}")
