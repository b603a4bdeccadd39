"""Tensor specs and the --input option: what is given comes back, what is wrong is said in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mobilekit.errors import SpecError
from mobilekit.spec.tensor import DTYPES, DynamicDim, TensorSpec, parse_inputs

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in DTYPES)
BATCH = {"batch": DynamicDim(min=1, max=8)}


@st.composite
def tensors(draw: st.DrawFn) -> TensorSpec:
    bounds = {
        name: DynamicDim(min=low, max=low + extra)
        for name, low, extra in draw(
            st.lists(st.tuples(NAMES, st.integers(1, 50), st.integers(1, 50)), max_size=2, unique_by=lambda one: one[0])
        )
    }
    dims = st.integers(1, 4096) | st.sampled_from(sorted(bounds)) if bounds else st.integers(1, 4096)
    shape = draw(st.lists(dims, min_size=1, max_size=5))
    used = {name: bound for name, bound in bounds.items() if name in shape}
    return TensorSpec(name=draw(NAMES), dtype=draw(st.sampled_from(DTYPES)), shape=tuple(shape), dynamic=used)


def option(tensor: TensorSpec) -> str:
    dims = ",".join(
        str(dim) if isinstance(dim, int) else f"{dim}={tensor.dynamic[dim].min}..{tensor.dynamic[dim].max}"
        for dim in tensor.shape
    )
    return f"{tensor.name}:{tensor.dtype}:{dims}"


@given(tensors())
def test_the_option_of_a_spec_parses_to_that_spec(tensor: TensorSpec) -> None:
    assert parse_inputs([option(tensor)]) == (tensor,)


@given(tensors())
def test_a_spec_survives_json(tensor: TensorSpec) -> None:
    assert TensorSpec.model_validate_json(tensor.model_dump_json(), strict=True) == tensor


@given(tensors(), st.data())
def test_a_shape_within_the_bounds_fits_and_one_outside_is_explained(tensor: TensorSpec, data: st.DataObject) -> None:
    sizes = {name: data.draw(st.integers(dim.min, dim.max)) for name, dim in tensor.dynamic.items()}
    fitting = tensor.sized(sizes)
    assert tensor.mismatch(fitting) is None
    axis = data.draw(st.integers(0, len(fitting) - 1))
    dim = tensor.shape[axis]
    beyond = dim + 1 if isinstance(dim, int) else tensor.dynamic[dim].max + 1
    reason = tensor.mismatch((*fitting[:axis], beyond, *fitting[axis + 1 :]))
    assert reason is not None
    assert f"dimension {axis}" in reason
    assert reason.endswith(f"given {beyond}")


@given(st.text(max_size=40))
def test_any_text_is_understood_or_refused_in_words(text: str) -> None:
    try:
        (spec,) = parse_inputs([text])
    except SpecError as error:
        assert error.hint is not None
        assert len(error.problems) == 1
    else:
        assert spec.mismatch(spec.sized()) is None


def test_a_bare_shape_is_enough() -> None:
    assert parse_inputs(["1,3,96,96"]) == (TensorSpec(name="input", shape=(1, 3, 96, 96)),)


def test_inputs_without_names_are_numbered_and_share_dynamic_dimensions() -> None:
    first, second = parse_inputs(["batch=1..8,3", "int64:batch,5"])
    assert first == TensorSpec(name="input0", shape=("batch", 3), dynamic=BATCH)
    assert second == TensorSpec(name="input1", dtype="int64", shape=("batch", 5), dynamic=BATCH)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["batch,3"], "'batch' has no bounds yet; write batch=1..8 where it is first used"),
        (["batch=3..3,3"], "must be MIN..MAX with 1 <= MIN < MAX, given '3..3'"),
        (["batch=0..3"], "must be MIN..MAX with 1 <= MIN < MAX"),
        (["batch=1..²"], "must be MIN..MAX with 1 <= MIN < MAX"),
        (["batch=1..8", "batch=1..9"], "'batch' is given two different bounds"),
        (["1,0"], "dimension '0' must be a positive size"),
        (["1,-3"], "dimension '-3' must be a positive size"),
        (["1,,3"], "dimension '' must be a positive size"),
        (["a b:1"], "'a b' is neither a name nor a dtype (float32,"),
        (["a:float32:int8:1"], "at most NAME:DTYPE:"),
        (["a:1", "a:2"], "each input needs a name of its own"),
    ],
)
def test_a_wrong_option_says_what_is_wrong_with_it(options: list[str], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_inputs(options)
    assert words in str(caught.value)


def test_all_wrong_options_are_reported_together() -> None:
    with pytest.raises(SpecError, match="command line: 2 problems"):
        parse_inputs(["0", "1,2", "x y:1"])


@pytest.mark.parametrize("dim", [0, -1, 1.5, True, "a b", "", None, []])
def test_a_wrong_dimension_is_one_problem_with_one_message(dim: object) -> None:
    with pytest.raises(ValidationError) as caught:
        TensorSpec.model_validate({"name": "x", "shape": [dim]})
    (error,) = caught.value.errors()
    assert error["loc"] == ("shape", 0)
    assert "must be a size of 1 or more, or the name of a dynamic dimension" in error["msg"]


def test_a_dynamic_dimension_needs_bounds_in_order() -> None:
    with pytest.raises(ValidationError, match=r"'batch' has no bounds; give it a \[dynamic.batch\] table"):
        TensorSpec(name="x", shape=("batch", 3))
    with pytest.raises(ValidationError, match=r"min must be below max \(min 5, max 5\)"):
        DynamicDim(min=5, max=5)


def test_a_shape_reads_as_text() -> None:
    assert TensorSpec(name="x", shape=("batch", 3), dynamic=BATCH).describe() == "[batch=1..8, 3]"
    assert TensorSpec(name="x", shape=("batch", 3), dynamic=BATCH).mismatch((1, 2, 3)) == (
        "x has 2 dimensions [batch=1..8, 3], given [1, 2, 3]"
    )
