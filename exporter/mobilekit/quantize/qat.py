"""QAT: a trained network as a module that rounds like int8 while it is trained. Refuses what it cannot give back.

Forward every weight and activation is rounded as the export will; backward the rounding is passed straight through
(Bengio et al. 2013, https://arxiv.org/abs/1308.3432; Jacob et al. 2018, https://arxiv.org/abs/1712.05877). Two things
differ from PT2E's own QAT, which is published to lose points on MobileNetV3 (benchmarks/qat_why.py takes it apart):

Batch norms are folded before the first step, and stay so. PT2E keeps them: it multiplies each weight by the norm's
factor, gamma over the running deviation, rounds, divides the output by that factor again and normalizes by the batch,
so that the steps of the weights move with the running statistics. Folded, what is trained is what is exported.
Ranges of activations come from calibration, chosen by measuring, and stay. PT2E's observers start from nothing and
follow each batch.

A weight's scale follows the weight at every step. The state that is saved has the original module's names: a folded
batch norm becomes one that only adds its bias, so that the weights are loaded like any others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobilekit.capture import Captured
from mobilekit.errors import QuantizeError
from mobilekit.model.ranges import ActivationRange, Ranges
from mobilekit.model.seed import seeded
from mobilekit.progress import SILENT, Progress
from mobilekit.quantize.calibrate import calibrate, check_samples
from mobilekit.quantize.folding import make_foldable, operator_name
from mobilekit.quantize.graph import assign, drop_unused
from mobilekit.quantize.observers import Mode, observers_of, set_mode
from mobilekit.quantize.pt2e import prepared_graph
from mobilekit.spec import QuantizeSpec

if TYPE_CHECKING:
    import torch
    from torch import fx

_GUARDS = "_guards_fn"
_TRAINED = {"weight_observer": "min-max", "bias_correction": False, "adaround": False, "max_drop": None, "floating": ()}
"""What training settles: a scale that follows its weight, no mending of weights, no layer in float."""


@dataclass(frozen=True)
class _Fold:
    """A batch norm that goes into the layer before it: names of parameters and buffers."""

    bias: str
    """Of the layer, in the folded graph."""
    norm_weight: str
    norm_bias: str
    mean: str
    variance: str
    epsilon: float


def trainable(
    captured: Captured,
    calibration: Iterable[Sequence[torch.Tensor]],
    options: QuantizeSpec,
    *,
    progress: Progress = SILENT,
) -> tuple[fx.GraphModule, Ranges]:
    """`captured` as a module that rounds like int8, and the ranges by which it does.

    Its state dict has the names and shapes of the captured module's. Raises QuantizeError for samples that do not fit,
    and for a network whose folded weights the original has no place for.
    """
    import torch

    options = options.model_copy(update=_TRAINED)
    samples = list(calibration)
    check_samples(samples, captured.inputs)
    folds, original = _folds(captured), dict(captured.program.state_dict)
    with seeded(0):
        prepared = prepared_graph(captured.program, options)
        rule, _ = calibrate(prepared, captured, samples, options, progress=progress)
    settled = options.model_copy(update={"equalize": False})  # the weights are; once more, and they would be others
    ranges = Ranges(options=settled, rule=rule, samples=len(samples), activations=dict(_measured(prepared)))
    for name in ("train", "eval"):  # a captured graph refuses both; ours is the same in either
        prepared.__dict__.pop(name, None)
    _drop_guards(prepared)
    drop_unused(prepared)  # folded batch norms
    for name, tensor in list(prepared.named_parameters()):
        assign(prepared, name, torch.nn.Parameter(tensor.detach().clone()))
    _keep_names(prepared, folds, original)
    set_mode(prepared, Mode.train)
    return prepared, ranges


def _measured(prepared: fx.GraphModule) -> Iterable[tuple[str, ActivationRange]]:
    for name, observer in observers_of(prepared):
        if not observer.is_weight:
            low, high = observer.statistics.range(observer.rule)
            yield name, ActivationRange(low=low, high=high)


def _folds(captured: Captured) -> list[_Fold]:
    """What folding will do, read from a copy of the graph before it is done."""
    module = captured.program.module()
    make_foldable(module)
    found = []
    for norm in module.graph.nodes:
        if operator_name(norm) != "batch_norm":
            continue
        layer: Any = norm.args[0]
        weight, bias = layer.args[1], layer.args[2] if len(layer.args) > 2 else None
        if None in norm.args[1:5]:
            raise QuantizeError(
                "a batch norm without weight and bias cannot hold what training for int8 makes of it",
                hint="build it with affine=True",
            )
        gamma, beta, mean, variance = (str(one.target) for one in norm.args[1:5])
        name = str(bias.target) if bias else f"{weight.target}_bias"
        found.append(_Fold(name, gamma, beta, mean, variance, float(norm.args[7])))
    return found


def _keep_names(module: fx.GraphModule, folds: Sequence[_Fold], original: Mapping[str, torch.Tensor]) -> None:
    """Let the state dict be the original's, in which a folded batch norm multiplies with one and adds the bias."""
    import torch

    moved = {fold.bias: fold.norm_bias for fold in folds if fold.bias not in original}
    own = {name for name, _ in module.named_parameters()}
    homeless = own - set(original) - set(moved)
    if homeless:
        raise QuantizeError(
            f"training for int8 needs weights that the model has no place for: {', '.join(sorted(homeless)[:3])}",
            hint="layers that share one weight, or one batch norm, cannot be trained so; give each its own",
        )
    constant = {name: tensor.detach().clone() for name, tensor in original.items() if name not in own}
    for fold in folds:
        constant[fold.norm_weight] = torch.full_like(constant[fold.norm_weight], math.sqrt(1 + fold.epsilon))
        constant[fold.mean] = torch.zeros_like(constant[fold.mean])
        constant[fold.variance] = torch.ones_like(constant[fold.variance])
        constant[fold.norm_bias] = torch.zeros_like(constant[fold.norm_bias])  # unless it holds the layer's bias
    for name in moved.values():
        del constant[name]

    def to_original(_: object, state: dict[str, Any], prefix: str, __: object) -> None:
        for name in [name for name in state if name.startswith(prefix)]:
            inner = name.removeprefix(prefix)
            if inner in moved:
                state[prefix + moved[inner]] = state.pop(name)
            elif inner not in own:
                del state[name]  # an observer's
        state.update({prefix + name: tensor for name, tensor in constant.items()})

    def from_original(loaded: fx.GraphModule, state: dict[str, Any], prefix: str, *_: object) -> None:
        for name in constant:
            state.pop(prefix + name, None)
        for mine, theirs in moved.items():
            if prefix + theirs in state:
                state[prefix + mine] = state.pop(prefix + theirs)
        for name, tensor in loaded.named_buffers(remove_duplicate=False):  # some share an observer
            state.setdefault(prefix + name, tensor)

    module.register_state_dict_post_hook(to_original)  # type: ignore[no-untyped-call]
    module.register_load_state_dict_pre_hook(from_original)  # type: ignore[no-untyped-call]


def _drop_guards(module: fx.GraphModule) -> None:
    """Without the check of each input's shape, which training has no use for."""
    for node in [node for node in module.graph.nodes if node.op == "call_module" and node.target == _GUARDS]:
        module.graph.erase_node(node)
    module.delete_submodule(_GUARDS)
    module.recompile()
