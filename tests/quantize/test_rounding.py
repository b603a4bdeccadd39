"""Rounding: the same bits as torch's fake quantization and as the exported program, with the gradient passed on."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mobilekit.quantize.observers import EPSILON, Mode, activation_spec, weight_spec
from mobilekit.quantize.rounding import rounding
from mobilekit.quiet import quiet
from mobilekit.spec import QuantizeSpec

with quiet():
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  (it registers the operators of exported programs)

rounded_activation, rounded_weight = rounding()


def values(scale: float, seed: int = 0) -> Tensor:
    """Some within the range, some beyond, and those at and beside the edges between two steps."""
    generator = torch.Generator().manual_seed(seed)
    edges = (torch.arange(-140, 140, dtype=torch.float32) + 0.5) * scale
    beside = torch.cat([edges, edges.nextafter(edges + 1), edges.nextafter(edges - 1), torch.tensor([0.0, -0.0])])
    return torch.cat([beside, torch.randn(500, generator=generator) * 80 * scale])


@given(st.floats(1e-4, 1e3), st.integers(-128, 127))
def test_activations_have_the_bits_of_fake_quantization_and_of_the_export(scale: float, zero_point: int) -> None:
    scale = float(torch.tensor(scale))
    x = values(scale).requires_grad_()
    mine = rounded_activation(x, scale, -128 - zero_point, 127 - zero_point)
    theirs = torch.fake_quantize_per_tensor_affine(x, scale, zero_point, -128, 127)
    assert torch.equal(mine, theirs)
    ops = torch.ops.quantized_decomposed
    numbers = (scale, zero_point, -128, 127, torch.int8)
    exported = ops.dequantize_per_tensor(ops.quantize_per_tensor(x.detach(), *numbers), *numbers)
    assert torch.equal(mine, exported)


@pytest.mark.parametrize("zero_point", [-128, 0, 90])
def test_the_gradient_is_that_of_what_was_not_cut_off(zero_point: int) -> None:
    x = torch.randn(4000) * 60 * 0.1
    gradients = []
    for rounded in (
        lambda x: rounded_activation(x, 0.1, -128 - zero_point, 127 - zero_point),
        lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, zero_point, -128, 127),
    ):
        leaf = x.clone().requires_grad_()
        (rounded(leaf) * torch.arange(4000)).sum().backward()
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)
    assert 0 < int((gradients[0] == 0).sum()) < 3000


def test_half_precision_stays_what_it_is() -> None:
    x = torch.randn(64, dtype=torch.bfloat16, requires_grad=True)
    y = rounded_activation(x, 0.05, -128, 127)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, rounded_activation(x.detach().float(), 0.05, -128, 127).bfloat16())
    y.sum().backward()
    assert x.grad is not None and x.grad.dtype == torch.bfloat16


def test_the_order_in_memory_stays() -> None:
    x = torch.randn(2, 8, 3, 3).to(memory_format=torch.channels_last).requires_grad_()
    y = rounded_activation(x, 0.05, -128, 127)
    assert y.is_contiguous(memory_format=torch.channels_last)
    (gradient,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert gradient.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("weights", ["per-channel", "per-tensor"])
@pytest.mark.parametrize("shape", [(8, 6, 3, 3), (8, 6)])
def test_weights_have_the_scales_that_are_exported(weights: str, axis: int, shape: tuple[int, ...]) -> None:
    spec = weight_spec(QuantizeSpec.model_validate({"weights": weights}))
    observer = spec.observer_or_fake_quant_ctr(
        dtype=spec.dtype, quant_min=spec.quant_min, quant_max=spec.quant_max, qscheme=spec.qscheme, ch_axis=axis
    )
    weight = (torch.randn(shape) * torch.rand(shape[0], *[1] * (len(shape) - 1))).requires_grad_()
    with torch.no_grad():
        weight[0] = 1e-9  # a channel of nothing
        observer(weight)
    scales, zero_points = observer.calculate_qparams()
    assert torch.equal(observer.scales(weight).reshape(-1), scales) and scales.min() >= EPSILON
    expected = torch.fake_quantize_per_channel_affine(
        weight.detach(),
        scales.expand(shape[axis]).contiguous(),
        zero_points.expand(shape[axis]).int().contiguous(),
        axis,
        -127,
        127,
    )
    observer.mode = Mode.train
    trained = observer(weight)
    for mine in (trained, observer.rounded(weight)):
        assert torch.equal(mine, expected)
    trained.backward(expected)
    assert torch.equal(weight.grad, expected), "straight through"
    with torch.no_grad():
        weight.mul_(3)
    assert torch.allclose(observer(weight), 3 * expected, atol=2 * float(scales.max())), "the scale follows"
    assert torch.equal(observer.calculate_qparams()[0], scales), "and what was found before stays"


def test_what_an_activation_is_rounded_by_is_what_is_exported() -> None:
    spec = activation_spec(QuantizeSpec())
    observer = spec.observer_or_fake_quant_ctr(
        dtype=spec.dtype, quant_min=spec.quant_min, quant_max=spec.quant_max, qscheme=spec.qscheme
    )
    x = torch.randn(1000)
    assert torch.equal(observer(x), x)
    for rule in ("min-max", "percentile", "mse"):
        observer.rule = rule
        for mode in (Mode.simulate, Mode.train):
            observer.mode = mode
            scale, zero_point = observer.calculate_qparams()
            expected = torch.fake_quantize_per_tensor_affine(x, float(scale), int(zero_point), -128, 127)
            assert torch.equal(observer(x), expected)


def test_a_compiler_gets_plain_operators() -> None:
    def layer(x: Tensor, weight: Tensor) -> Tensor:
        scales = weight.detach().abs().amax([1], keepdim=True) / 127
        return rounded_activation(x, 0.05, -128, 127) @ rounded_weight(weight, scales, 127).t()

    x, weight = torch.randn(4, 6), torch.randn(3, 6, requires_grad=True)
    expected = layer(x, weight)
    found = torch.compile(layer, backend="aot_eager", fullgraph=True)(x, weight)
    assert torch.equal(found, expected)
    gradients = [torch.autograd.grad(one.sum(), weight)[0] for one in (found, expected)]
    assert torch.equal(*gradients)
