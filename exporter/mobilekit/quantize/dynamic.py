"""int8-dynamic: linear layers with int8 weights, whose activations get their scale while the model runs. Needs no data.

Refuses a model without linear layers. Convolutions stay in float: a scale that is found anew for every value costs a
pass over it, which a linear layer earns back and a convolution on a phone hardly does.
Source: "Dynamic quantization", https://docs.pytorch.org/executorch/stable/backends/xnnpack/xnnpack-quantization.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mobilekit.capture import Captured, example_inputs
from mobilekit.errors import QuantizeError
from mobilekit.model.seed import seeded
from mobilekit.quantize.folding import make_foldable, operator_name
from mobilekit.quantize.pt2e import _check_still_the_same, _converted, _exported, _observe
from mobilekit.quantize.quantizer import _split_shared
from mobilekit.quiet import quiet
from mobilekit.usercode import summary

if TYPE_CHECKING:
    from torch import fx
    from torch.export import ExportedProgram


def dynamic(captured: Captured) -> ExportedProgram:
    """The program with int8 linear weights per channel, and a scale chosen for each input of a linear layer."""
    import torch

    with quiet():
        from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e
    with seeded(0), torch.no_grad():
        try:
            with quiet():
                module = captured.program.module()
                make_foldable(module)
                prepared: fx.GraphModule = prepare_pt2e(module, _quantizer())
        except Exception as error:
            raise QuantizeError(f"the quantizer refuses the graph: {summary(error)}") from error
        example = example_inputs(captured.inputs)
        _check_still_the_same(captured.program, example, _observe(prepared, example, 0))
        program = _exported(_converted(prepared), captured)
    if not any(operator_name(node) == "choose_qparams" for node in program.graph.nodes):
        raise QuantizeError(
            "int8-dynamic quantizes linear layers, and this model has none",
            hint="use int8, which quantizes convolutions too",
        )
    return program


def _quantizer() -> Any:
    with quiet():
        import torch
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )

    class Quantizer(XNNPACKQuantizer):  # type: ignore[misc]
        def transform_for_annotation(self, model: fx.GraphModule) -> fx.GraphModule:
            _split_shared(model)
            transformed: fx.GraphModule = super().transform_for_annotation(model)
            return transformed

    config = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=True)
    return Quantizer().set_operator_type(torch.ops.aten.linear.default, config)
