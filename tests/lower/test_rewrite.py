"""What a lowering does around a program: torch's notes on nodes are shared for its time only."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.fx.traceback import NodeSource

from mobilekit.lower.rewrite import sources_shared


def test_notes_on_nodes_are_shared_for_the_block_only() -> None:
    graph = torch.fx.symbolic_trace(torch.nn.ReLU()).graph
    notes = [NodeSource(node, "a pass") for node in graph.nodes]
    with pytest.raises(RuntimeError), sources_shared():
        with sources_shared():
            assert all(mine is theirs for mine, theirs in zip(copy.deepcopy(notes), notes, strict=True))
        assert copy.deepcopy(notes)[0] is notes[0]
        raise RuntimeError("a pass fails")
    assert copy.deepcopy(notes)[0] is not notes[0]
