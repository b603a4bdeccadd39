"""The streaming form of a model on its way through the pipeline: captured, calibrated, and how it is fed.

Refuses a form whose outputs are not the whole form's and the states, or whose weights are not the whole form's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.bundle.manifest import StreamEntry, WholeForm
from mobilekit.bundle.write import entry_for
from mobilekit.capture import Captured, capture
from mobilekit.data import Samples
from mobilekit.errors import CaptureError, ModelError, UsageError
from mobilekit.lower.recurrent import unrolled_for_quantizer
from mobilekit.model import ModelSource
from mobilekit.pipeline.capturing import save_program
from mobilekit.runners import FedState, Feed
from mobilekit.spec import Recipe, Streaming, StreamSpec, TensorSpec

if TYPE_CHECKING:
    import torch

MOST_CALLS = 512
"""Of a stream, for calibration: they are taken from all utterances and from all places in them."""


def chosen_stream(recipe: Recipe, form: str | None) -> StreamSpec | None:
    """The form to export: streaming where the recipe has one, unless `form` says "whole". Raises UsageError."""
    if form == "stream" and recipe.stream is None:
        raise UsageError(
            f"{recipe.name} has no streaming form", hint="give its recipe a [stream] table (docs/streaming.md)"
        )
    return None if form == "whole" else recipe.stream


def capture_stream(source: ModelSource, stream: StreamSpec, whole: Captured) -> Captured:
    """The streaming form with the whole form's weights. Raises ModelError and CaptureError besides capture's own."""
    module = source.build(extra=stream.args)
    try:
        module.load_state_dict(whole.program.state_dict)
    except RuntimeError as error:
        raise ModelError(
            f"the streaming form of {source.recipe.name} has other weights than the whole one",
            hint="build both from the same layers under the same names",
        ) from error
    captured = capture(module, stream.inputs_for(whole.inputs))
    feed = feed_of(stream, whole.inputs, captured.outputs)
    states = {state.output for state in feed.states}
    rest = [spec for index, spec in enumerate(captured.outputs) if index not in states]
    shapes = [(list(spec.sized()), spec.dtype) for spec in rest], [(list(s.sized()), s.dtype) for s in whole.outputs]
    if shapes[0] != shapes[1]:
        raise CaptureError(
            f"the streaming form gives {_shown(rest)} besides its states, the whole one {_shown(whole.outputs)}",
            hint="both must give the same outputs in the same order",
        )
    return captured


def feed_of(stream: Streaming, whole: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Feed:
    """How a whole sample is fed. Raises CaptureError when a state is none of the outputs, or has another shape."""
    names = [spec.name for spec in outputs]
    fed = []
    for state in stream.states:
        if state.output not in names:
            raise CaptureError(
                f"the streaming form has no output {state.output!r} (it has {', '.join(names)})",
                hint="return a dict of tensors: its keys name the outputs",
            )
        index = names.index(state.output)
        given = outputs[index]
        if (given.sized(), given.dtype) != (state.shape, state.dtype):
            raise CaptureError(
                f"state {state.input} is {state.dtype} {list(state.shape)}, but {given.name} is {_shown([given])}"
            )
        fed.append(FedState(output=index, shape=state.shape, dtype=state.dtype, initial=state.initial))
    sequence = [spec.name for spec in whole].index(stream.input)
    return Feed(sequence=sequence, axis=stream.axis, frames=stream.frames, states=tuple(fed))


def _shown(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.dtype} {spec.describe()}" for spec in specs)


def calibration_calls(captured: Captured, samples: Samples, feed: Feed) -> list[tuple[torch.Tensor, ...]]:
    """Inputs of calls as they come when the float streaming form hears `samples`, with the states it really has."""
    from mobilekit.runners.eager import EagerSession, to_torch

    session = EagerSession(captured.program)
    stride = _stride(len(samples), feed.calls(samples.one(0)))
    calls = (inputs for index in range(len(samples)) for inputs, _ in feed.run(session, samples.one(index)))
    return [tuple(map(to_torch, inputs)) for at, inputs in enumerate(calls) if at % stride == 0]


def _stride(samples: int, calls: int) -> int:
    """Every how many-th call to take for MOST_CALLS at most, so that each place of an utterance has its turn."""
    stride = math.ceil(samples * calls / MOST_CALLS)
    while math.gcd(stride, calls) > 1:
        stride += 1
    return stride


def for_quantizing(captured: Captured) -> Captured:
    """With recurrent layers written out: the quantizer does not look inside them."""
    return replace(captured, program=unrolled_for_quantizer(captured.program))


def write_whole(folder: Path, file: str, whole: Captured) -> WholeForm:
    """Write the whole form's program, the reference of a streaming bundle."""
    save_program(whole.program, folder / file)
    return WholeForm(**entry_for(folder, file).model_dump(), inputs=whole.inputs, outputs=whole.outputs)


def stream_entry(stream: StreamSpec, whole: WholeForm) -> StreamEntry:
    """What the bundle says of it."""
    return StreamEntry(**stream.model_dump(exclude={"args"}), whole=whole)


def stream_note(stream: StreamEntry) -> str:
    """What a reader of the figures must know."""
    length = next(spec for spec in stream.whole.inputs if spec.name == stream.input).shape[stream.axis]
    assert isinstance(length, int)
    return (
        f"Streaming form: a call takes {stream.frames} of {length} frames, so latencies are per call, "
        f"{length // stream.frames} of which make a sample. Accuracy is that of the last call, against the whole form."
    )
