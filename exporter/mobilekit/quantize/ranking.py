"""Ranking: the layers of a network, in order and by what int8 costs each, without making anything of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilekit.capture import Captured
from mobilekit.errors import QuantizeError
from mobilekit.model.seed import seeded
from mobilekit.progress import SILENT, Progress
from mobilekit.quantize.calibrate import calibrate, check_samples
from mobilekit.quantize.layers import LAYER_SAMPLES, layer_label
from mobilekit.quantize.mixed import ranked
from mobilekit.quantize.pt2e import prepared_graph
from mobilekit.quantize.sensitivity import sensitivity
from mobilekit.quantize.simulate import stacked
from mobilekit.quiet import quiet
from mobilekit.spec import QuantizeSpec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Ranking:
    """The layers that int8 rounds, by name: the most costly first, and in the order in which they are computed."""

    by_cost: tuple[str, ...]
    in_order: tuple[str, ...]


def rank_layers(
    captured: Captured,
    calibration: Iterable[Sequence[torch.Tensor]],
    options: QuantizeSpec | None = None,
    *,
    progress: Progress = SILENT,
) -> Ranking:
    """What `sensitivity` finds, as two lists. Raises QuantizeError as `quantize` does."""
    options = options or QuantizeSpec()
    samples = list(calibration)
    if not samples:
        raise QuantizeError("nothing to calibrate on: the calibration set is empty")
    check_samples(samples, captured.inputs)
    with seeded(0):
        prepared = prepared_graph(captured.program, options)
        calibrate(prepared, captured, samples, options, progress=progress)
        with progress.task("measuring what each layer costs"), quiet():
            costs = sensitivity(prepared, stacked(samples[:LAYER_SAMPLES], captured.inputs)).spared
    by_cost = ranked(prepared, costs)
    labels = dict.fromkeys(layer_label(node) for node in prepared.graph.nodes)
    return Ranking(tuple(by_cost), tuple(name for name in labels if name in by_cost))
