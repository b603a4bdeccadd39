"""The streaming form's inputs follow from the whole form's; what does not go together is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from mobilekit.errors import SpecError
from mobilekit.spec import TensorSpec
from mobilekit.spec.load import validate_recipe

GOOD: dict[str, Any] = {
    "name": "words",
    "task": "tensor",
    "inputs": [
        {"name": "speaker", "dtype": "int64", "shape": ["batch"]},
        {"name": "features", "shape": ["batch", 12, 4]},
    ],
    "dynamic": {"batch": {"max": 8}},
    "stream": {
        "input": "features",
        "frames": 3,
        "args": {"streaming": True},
        "states": [
            {"input": "h", "output": "next_h", "shape": [2, 1, 5]},
            {"input": "c", "output": "next_c", "shape": [2, 1, 5], "initial": 1.0},
        ],
    },
}


def changed(**stream: Any) -> dict[str, Any]:
    return {**GOOD, "stream": {**GOOD["stream"], **stream}}


def test_one_sample_and_one_call_then_the_states() -> None:
    recipe = validate_recipe(GOOD, source="recipe.toml")
    assert recipe.stream is not None
    assert recipe.stream.inputs_for(recipe.inputs) == (
        TensorSpec(name="speaker", dtype="int64", shape=(1,)),
        TensorSpec(name="features", shape=(1, 3, 4)),
        TensorSpec(name="h", shape=(2, 1, 5)),
        TensorSpec(name="c", shape=(2, 1, 5)),
    )
    assert [state.initial for state in recipe.stream.states] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (changed(input="sound"), "input 'sound' must be one of speaker, features"),
        (changed(axis=3), r"axis 3 does not exist, features is \[batch=1..8, 12, 4\]"),
        (changed(axis=0, frames=1), "frames must divide the length of features, a fixed number: 1 of batch"),
        (changed(frames=5), "frames must divide the length of features, a fixed number: 5 of 12"),
        (changed(states=[{"input": "features", "output": "o", "shape": [1]}]), "'features' stands twice"),
        (changed(states=[{"input": "h", "output": "h", "shape": [1]}]), "'h' stands twice"),
        (changed(states=[]), "must not be empty"),
        (changed(frames=0), "must be 1 or more"),
    ],
)
def test_what_does_not_go_together_is_refused(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        validate_recipe(raw, source="recipe.toml")
