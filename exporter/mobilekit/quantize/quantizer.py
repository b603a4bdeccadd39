"""The quantizer: ExecuTorch's for XNNPACK, with five things that it leaves out and that cost accuracy or speed.

Pooled values get a scale of their own. ExecuTorch has them share their input's, as for any operator that only moves
values; but the mean over a picture is far smaller than the largest value in it, so few of the 256 steps are left. The
gates of squeeze-and-excitation (MobileNetV3, EfficientNet) hang on such means.
SiLU (as x * sigmoid(x)) and hard-swish are int8 too; ExecuTorch leaves them in float, between a conversion from int8
and one back. Other sigmoids stay float: they gate a few values per channel, or the state of a recurrent layer.
A ReLU6 belongs to the convolution before it, as a ReLU does. ExecuTorch rounds before it too, on one scale for both:
half of the 256 steps are then spent on negative values, which the ReLU6 cuts off.
Layers that share their weights, such as a detector's head over maps of several sizes, are int8 in every place.
ExecuTorch takes the first and leaves the others' weights in float beside int8 activations, which XNNPACK does not load.
The scaling in attention stays float. It stands between a matrix product and a softmax, both in float: ExecuTorch has it
in int8, with two conversions and a slower kernel, for nothing.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from mobilekit.quantize.equalize import equalize
from mobilekit.quantize.folding import operator_name
from mobilekit.quantize.graph import give_biases, is_bias, is_float
from mobilekit.quantize.layers import layer_label
from mobilekit.quantize.observers import activation_spec, weight_spec
from mobilekit.quiet import quiet
from mobilekit.spec.quantize import QuantizeSpec

if TYPE_CHECKING:
    from torch import fx

ACTIVATIONS = frozenset({"sigmoid", "hardswish"})
"""Operators of one tensor that become int8, which runtimes compute by a table of 256 values."""
_POOLS = frozenset({"adaptive_avg_pool2d", "mean"})
_PRODUCTS = frozenset({"bmm", "matmul"})
_CLAMPED = frozenset({"conv2d", "conv_transpose2d", "linear"})
_KEY, _GATE = "quantization_annotation", "mobilekit_gate_of_silu"


def quantizer(options: QuantizeSpec, floating: frozenset[str] = frozenset()) -> Any:
    """A torchao Quantizer: symmetric int8 weights, affine int8 activations per tensor, with our observers.

    Layers whose label is in `floating` are left in float."""
    with quiet():
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
        from torchao.quantization.pt2e.quantizer.utils import QuantizationConfig

    scale = activation_spec(options)
    config = QuantizationConfig(scale, scale, weight_spec(options), bias=None)

    def is_int8(node: fx.Node) -> bool:
        return layer_label(node) not in floating

    class Quantizer(XNNPACKQuantizer):  # type: ignore[misc]
        def transform_for_annotation(self, model: fx.GraphModule) -> fx.GraphModule:
            _split_silu(model)
            _split_shared(model)
            if options.bias_correction:
                give_biases(model)
            if options.equalize:
                equalize(model)
            transformed: fx.GraphModule = super().transform_for_annotation(model)
            return transformed

        def annotate(self, model: fx.GraphModule) -> fx.GraphModule:
            if not any("batch_norm" in operator_name(node) for node in model.graph.nodes):
                # Those of batch norms in training are traced anew each time: a quarter of what quantizing takes.
                self.SUPPORTED_PATTERNS = [one for one in XNNPACKQuantizer.SUPPORTED_PATTERNS if not one.is_qat]
            annotated: fx.GraphModule = super().annotate(model)
            for node in filter(is_int8, annotated.graph.nodes):
                _annotate(node, scale)
            _spare_scaling(annotated)
            return annotated

    return Quantizer().set_global(config).set_filter_function(is_int8)


def _annotate(node: fx.Node, scale: Any) -> None:
    """Give a pool's output a `scale` of its own, a ReLU6 its layer's, and an activation one for its input and one for
    its output."""
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation

    name, marked = operator_name(node).removesuffix("_"), node.meta.get(_KEY)
    before: Any = node.args[0] if node.args else None
    if name in _POOLS and marked is not None and marked.output_qspec is not None:
        marked.output_qspec = scale
    elif name == "hardtanh" and marked is not None and _ends_with(before, node):
        before.meta[_KEY].output_qspec = None
        node.meta[_KEY] = QuantizationAnnotation(output_qspec=scale, _annotated=True)
    elif (name == "hardswish" or _GATE in node.meta) and marked is None and is_float(node):
        node.meta[_KEY] = QuantizationAnnotation(input_qspec_map={before: scale}, output_qspec=scale, _annotated=True)


def _spare_scaling(module: fx.GraphModule) -> None:
    """Take the annotations of products that stand between a matrix product and nothing but softmaxes."""
    for node in module.graph.nodes:
        before = {operator_name(one) for one in node.all_input_nodes if one.op == "call_function"}
        after = {operator_name(user) for user in node.users}
        if operator_name(node) == "mul" and before and before <= _PRODUCTS and after == {"softmax"}:
            node.meta.pop(_KEY, None)


def _ends_with(layer: Any, clamp: fx.Node) -> bool:
    """Whether `clamp` is all that reads a convolution or linear layer that becomes int8."""
    marked = layer.meta.get(_KEY) if operator_name(layer) in _CLAMPED else None
    return marked is not None and bool(marked.input_qspec_map) and list(layer.users) == [clamp]


def _split_silu(module: fx.GraphModule) -> None:
    """silu(x) as x * sigmoid(x), which is how it is computed anyway."""
    import torch

    for node in [node for node in module.graph.nodes if operator_name(node) in ("silu", "silu_")]:
        with module.graph.inserting_before(node):
            gate = module.graph.call_function(torch.ops.aten.sigmoid.default, (node.args[0],))
            product = module.graph.call_function(torch.ops.aten.mul.Tensor, (node.args[0], gate))
        gate.meta, product.meta = {**node.meta, _GATE: True}, dict(node.meta)
        node.replace_all_uses_with(product, propagate_meta=False)
        module.graph.erase_node(node)
    module.recompile()


def _split_shared(module: fx.GraphModule) -> None:
    """A node of its own for each use of a weight, so that each use can be annotated.

    Biases become tensors of their own as well, those that were computed (buffers) too: each place has an error of its
    own to correct, and an integer bias stands in the scale of its layer's input.
    """
    import torch

    for node in [node for node in module.graph.nodes if node.op == "get_attr"]:
        tensor = attrgetter(str(node.target))(module)
        trained = isinstance(tensor, torch.nn.Parameter)
        for number, user in enumerate(list(node.users)[1:], start=1):
            target = str(node.target)
            if (trained and tensor.dim() == 1) or is_bias(node, user):
                target = f"{target.replace('.', '_')}_again_{number}"
                own = tensor.detach().clone()
                if trained:
                    module.register_parameter(target, torch.nn.Parameter(own, requires_grad=False))
                else:
                    module.register_buffer(target, own)
            with module.graph.inserting_before(user):
                twin = module.graph.get_attr(target)
            twin.meta = dict(node.meta)
            user.replace_input_with(node, twin)
    module.recompile()
