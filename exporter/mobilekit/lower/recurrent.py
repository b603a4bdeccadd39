"""Recurrent layers (nn.GRU, nn.LSTM, nn.RNN) said in operators that XNNPACK, Core ML and the quantizer take.

torch composes them of operators that a backend does not take: each step splits its gates, selects its frame and stacks
its outputs, and so becomes a delegate of its own between portable kernels. Here the inputs of all steps go through
linear layers at once, and a step is a linear layer on the state, slices, and elementwise operators: one delegate for
the whole utterance. ONNX has operators for these layers, and needs this only where they become int8.

The steps are written out, so the number of frames must be fixed, and so must the batch (XNNPACK has no slices of a
dynamic size); a layer without either, or with projections (proj_size), is composed as torch does it.
Source: the equations of torch.nn.GRU, LSTM and RNN, https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from mobilekit.lower.rewrite import copied
from mobilekit.lower.rewrites import Rewrites, rewritten
from mobilekit.quiet import quiet
from mobilekit.tracing import lean

if TYPE_CHECKING:
    from torch import Tensor, fx
    from torch.export import ExportedProgram

Linear = tuple["Tensor", "Tensor | None"]
State = tuple["Tensor", ...]
Step = Callable[[list["Tensor"], State], State]
MultiplyAdd = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]
Cell = Callable[..., tuple[list[Linear], Step]]
"""Weights and biases, hidden ones last -> linear layers on the input, and the step: what these gave for one frame, and
the state (batch, hidden) of each kind, output first -> the next state."""


def unrolled(program: ExportedProgram) -> ExportedProgram:
    """`program` with its recurrent layers written out for a backend, or itself when it has none. It stays whole."""
    return _rewritten(program, written_out(program))


def written_out(program: ExportedProgram) -> Rewrites:
    """The rewrites that do so, for one pass over `program` together with others."""
    return _possible(program, {**_recurrent(_plain_multiply_add), "addcmul.default": _addcmul})


def unrolled_for_quantizer(program: ExportedProgram) -> ExportedProgram:
    """The same, so that only the linear layers become int8.

    The quantizer takes products and sums too, and a state that is rounded to 8 bits in every step forgets what the
    step adds to it. So what carries a state is written as multiply-adds and differences, which stay float; `unrolled`
    makes products and sums of the multiply-adds when the quantized program is lowered.
    """
    import torch

    return _rewritten(program, _possible(program, _recurrent(torch.addcmul)))


def _recurrent(fma: MultiplyAdd) -> dict[str, Callable[..., Any]]:
    return {
        "gru.input": partial(_one_state, partial(_gru_cell, fma)),
        "lstm.input": partial(_two_states, partial(_lstm_cell, fma)),
        "rnn_tanh.input": partial(_one_state, partial(_plain_cell, "tanh")),
        "rnn_relu.input": partial(_one_state, partial(_plain_cell, "relu")),
    }


def _possible(program: ExportedProgram, rewrites: Rewrites) -> Rewrites:
    """Those whose operators `program` has, and has only in a form that can be written out."""
    found: dict[str, list[fx.Node]] = {}
    for node in program.graph.nodes:
        found.setdefault(str(node.target).removeprefix("aten."), []).append(node)
    return {name: by for name, by in rewrites.items() if name in found and all(map(_can_be_written_out, found[name]))}


def _rewritten(program: ExportedProgram, rewrites: Rewrites) -> ExportedProgram:
    if not rewrites:
        return program
    with quiet(), lean():
        return rewritten(copied(program), rewrites)


def _can_be_written_out(node: fx.Node) -> bool:
    """Whether a recurrent layer has a fixed batch and length, no projections, and no dropout at work."""
    if str(node.target) == "aten.addcmul.default":
        return True
    x, _, params, has_biases, layers, dropout, train, bidirectional, _ = cast("tuple[Any, ...]", node.args)
    each = (4 if has_biases else 2) * (2 if bidirectional else 1)
    fixed = all(isinstance(size, int) for size in x.meta["val"].shape)
    return fixed and len(params) == layers * each and not (train and dropout)


def _plain_multiply_add(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return x + a * b


def _addcmul(x: Tensor, a: Tensor, b: Tensor, *, value: float = 1) -> Any:
    """torch's own decomposition multiplies by `value` also where it is 1."""
    return _plain_multiply_add(x, a, b) if value == 1 else NotImplemented


def _one_state(cell: Cell, x: Tensor, hx: Tensor, params: Sequence[Tensor], *options: Any) -> State:
    """aten.gru.input and aten.rnn_*.input: the output sequence, and the last state of each layer and direction."""
    sequence, (last,) = _layers(cell, x, (hx,), params, *options)
    return sequence, last


def _two_states(cell: Cell, x: Tensor, hx: Sequence[Tensor], params: Sequence[Tensor], *options: Any) -> State:
    """aten.lstm.input: the output sequence, the last hidden states and the last cell states."""
    sequence, (hidden, inner) = _layers(cell, x, tuple(hx), params, *options)
    return sequence, hidden, inner


def _layers(
    cell: Cell,
    x: Tensor,
    states: State,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    _dropout: float,
    _train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, State]:
    """All layers and directions: the output sequence, and of each kind of state the last ones."""
    import torch

    directions, each = 2 if bidirectional else 1, 4 if has_biases else 2
    batch, frames = (x.shape[0], x.shape[1]) if batch_first else (x.shape[1], x.shape[0])
    # One row for each frame and sample, frames outermost: a step is then a slice of rows.
    in_order = x.transpose(0, 1) if batch_first and batch > 1 else x
    rows = in_order.reshape(frames * batch, x.shape[2])
    last: list[State] = []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            at = layer * directions + direction
            start = tuple(state[at : at + 1].reshape(batch, state.shape[2]) for state in states)
            weights = _with_biases(params[at * each : (at + 1) * each])
            sequence = _sequence(cell, rows, start, weights, frames, backwards=direction == 1)
            outputs.append(torch.cat([state[0] for state in sequence]) if frames > 1 else sequence[0][0])
            last.append(sequence[0 if direction == 1 else -1])
        rows = torch.cat(outputs, 1) if directions > 1 else outputs[0]
    final = tuple(
        torch.cat(kind).reshape(len(last), batch, kind[0].shape[1]) if len(last) > 1 else kind[0].unsqueeze(0)
        for kind in zip(*last, strict=True)
    )
    return _shaped(rows, batch, frames, batch_first), final


def _sequence(
    cell: Cell, rows: Tensor, state: State, weights: list[Tensor | None], frames: int, *, backwards: bool
) -> list[State]:
    """The state after each frame, in the order of the frames."""
    from torch.nn.functional import linear

    inputs, step = cell(*weights)
    given = [linear(rows, weight, bias) for weight, bias in inputs]
    batch = rows.shape[0] // frames
    found = []
    for frame in range(frames - 1, -1, -1) if backwards else range(frames):
        state = step([one[frame * batch : (frame + 1) * batch] for one in given], state)
        found.append(state)
    return found[::-1] if backwards else found


def _shaped(rows: Tensor, batch: int, frames: int, batch_first: bool) -> Tensor:
    """(frames * batch, width) -> the layer's own output shape."""
    if batch_first and batch == 1:
        return rows.reshape(1, frames, rows.shape[1])
    sequence = rows.reshape(frames, batch, rows.shape[1])
    return sequence.transpose(0, 1) if batch_first else sequence


def _with_biases(params: Sequence[Tensor]) -> list[Tensor | None]:
    return [*params, None, None] if len(params) == 2 else list(params)


def _gru_cell(
    fma: MultiplyAdd, wi: Tensor, wh: Tensor, bi: Tensor | None, bh: Tensor | None
) -> tuple[list[Linear], Step]:
    """Reset and update gate are one linear layer, the candidate another: torch's rows are reset, update, candidate."""
    import torch
    from torch.nn.functional import linear

    width = wh.shape[1]
    gates, candidate = slice(0, 2 * width), slice(2 * width, 3 * width)
    both = None if bi is None or bh is None else bi[gates] + bh[gates]
    minus, inner, inner_bias = -wh[gates], wh[candidate], None if bh is None else bh[candidate]

    def step(given: list[Tensor], state: State) -> State:
        (h,) = state
        gate = torch.sigmoid(given[0] - linear(h, minus))
        reset, update = gate[:, :width], gate[:, width:]
        new = torch.tanh(fma(given[1], reset, linear(h, inner, inner_bias)))
        return (fma(new, update, h - new),)

    return [(wi[gates], both), (wi[candidate], None if bi is None else bi[candidate])], step


def _lstm_cell(
    fma: MultiplyAdd, wi: Tensor, wh: Tensor, bi: Tensor | None, bh: Tensor | None
) -> tuple[list[Linear], Step]:
    """One linear layer for all gates, as input, 1 - forget, output, cell: torch's rows are input, forget, cell, output.

    1 - sigmoid(a) is sigmoid(-a), so the forget rows are negated, and c + i * g + (1 - f) * -c is the next cell state.
    """
    import torch
    from torch.nn.functional import linear

    width = wh.shape[1]

    def ordered(rows: Tensor) -> Tensor:
        i, f, g, o = (rows[at * width : (at + 1) * width] for at in range(4))
        return torch.cat([i, -f, o, g])

    bias = None if bi is None or bh is None else ordered(bi + bh)
    minus = -ordered(wh)

    def step(given: list[Tensor], state: State) -> State:
        h, c = state
        summed = given[0] - linear(h, minus)
        gates, new = torch.sigmoid(summed[:, : 3 * width]), torch.tanh(summed[:, 3 * width :])
        enters, leaves, shows = (gates[:, at * width : (at + 1) * width] for at in range(3))
        c = fma(fma(c, enters, new), leaves, -c)
        return shows * torch.tanh(c), c

    return [(ordered(wi), bias)], step


def _plain_cell(
    activation: str, wi: Tensor, wh: Tensor, bi: Tensor | None, bh: Tensor | None
) -> tuple[list[Linear], Step]:
    import torch
    from torch.nn.functional import linear

    minus = -wh

    def step(given: list[Tensor], state: State) -> State:
        return (getattr(torch, activation)(given[0] - linear(state[0], minus)),)

    return [(wi, None if bi is None or bh is None else bi + bh)], step
