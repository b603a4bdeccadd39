"""A recipe is understood whole or refused with every problem: its field, what was given, what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.errors import SpecError
from mobilekit.spec import load_recipe, parse_recipe

GOOD = """
name = "tiny"
labels = ["a", "b"]
[args]
widths = [1, 2]
[dynamic.batch]
min = 1
max = 8
[[inputs]]
name = "image"
shape = ["batch", 3, 8, 8]
[preprocess]
mean = [0.5, 0.5, 0.5]
std = [1, 1, 1]
[preprocess.resize]
size = [8, 8]
[train]
epochs = 3
"""

_NO_BOUNDS = "dimension 'batch' has no bounds; give it a [dynamic.batch] table"
_DID_YOU_MEAN = "no such field, did you mean"
_FIELDS = "name, summary, task, args, inputs, preprocess, labels, data, train, quantize, export, stream"


def problems(text: str) -> dict[str, str]:
    """field -> the rest of the line, for each problem of the recipe."""
    with pytest.raises(SpecError) as caught:
        parse_recipe(text)
    return {problem.field: str(problem).removeprefix(f"{problem.field}: ") for problem in caught.value.problems}


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_good_recipe_is_understood() -> None:
    recipe = parse_recipe(GOOD)
    assert recipe.inputs[0].describe() == "[batch=1..8, 3, 8, 8]"
    assert recipe.train.epochs == 3
    assert recipe.preprocess is not None
    assert recipe.preprocess.std == (1.0, 1.0, 1.0)


def test_the_arguments_of_build_arrive_as_they_were_written() -> None:
    assert parse_recipe(GOOD).args == {"widths": [1, 2]}


def test_three_mistakes_are_three_problems() -> None:
    text = changed("epochs = 3", 'epochs = 0\noptimizer = "adamv"\nlearning_rat = 1')
    assert problems(text) == {
        "train.epochs": "must be 1 or more (given: 0)",
        "train.optimizer": "must be 'adamw', 'adam' or 'sgd' (given: \"adamv\")",
        "train.learning_rat": "no such field, did you mean learning_rate? (given: 1)",
    }


@pytest.mark.parametrize(
    ("old", "new", "field", "line"),
    [
        ('name = "tiny"', "", "name", "is required (given: missing)"),
        ('name = "tiny"', 'name = "a b"', "name", 'must match the pattern [A-Za-z0-9][A-Za-z0-9._-]* (given: "a b")'),
        ('name = "tiny"', "name = 3", "name", "must be text in quotes (given: 3)"),
        ('labels = ["a", "b"]', 'labels = "a"', "labels", 'must be a list (given: "a")'),
        ("[train]", "[data]\n[train]", "data.name", "is required (given: missing)"),
        ("size = [8, 8]", "size = [8]", "preprocess.resize.size[1]", "is required (given: missing)"),
        ("size = [8, 8]", "size = [0, 8]", "preprocess.resize.size[0]", "must be 1 or more (given: 0)"),
        ("mean = [0.5,", "mean = [nan,", "preprocess.mean[0]", "must be a finite number (given: NaN)"),
        ("epochs = 3", "label_smoothing = 1.0", "train.label_smoothing", "must be below 1 (given: 1.0)"),
        ("max = 8", "max = 1", "inputs[0].dynamic.batch.max", "must be 2 or more (given: 1)"),
        ("min = 1", "min = 9", "inputs[0].dynamic.batch", "min must be below max (min 9, max 8)"),
        ("[dynamic.batch]", "[dynamic.b]", "inputs[0]", _NO_BOUNDS),
        ("std = [1, 1, 1]", "std = [1]", "preprocess", "std needs 3 value(s) for RGB, given 1"),
        ("preprocess.resize", "preprocess.rezise", "preprocess.rezise", f"{_DID_YOU_MEAN} resize? (given: a table)"),
        ('name = "image"', 'name = "image"\nnane = 1', "inputs[0].nane", f"{_DID_YOU_MEAN} name? (given: 1)"),
        ("[args]", "epohcs = 1\n[args]", "epohcs", f"no such field (have: {_FIELDS}) (given: 1)"),
    ],
)  # fmt: skip
def test_a_problem_names_the_field_what_was_given_and_what_is_allowed(
    old: str, new: str, field: str, line: str
) -> None:
    assert problems(changed(old, new))[field] == line


def test_a_wrong_dimension_is_one_problem_without_the_libraries_words() -> None:
    text = 'name = "x"\n[[inputs]]\nname = "x"\nshape = [1, "a b", 0]\n'
    assert list(problems(text)) == ["inputs[0].shape[1]", "inputs[0].shape[2]"]


@pytest.mark.parametrize("value", ['"10"', "true", "3.0"])
def test_types_are_taken_strictly(value: str) -> None:
    text = f'name = "x"\n[[inputs]]\nname = "x"\nshape = [1]\n[train]\nepochs = {value}\n'
    assert problems(text)["train.epochs"].startswith("must be a whole number (given: ")


def test_an_empty_list_of_inputs_is_refused_as_such() -> None:
    assert problems('name = "x"\ninputs = []')["inputs"] == "must not be empty (given: [])"


def test_a_long_value_is_shortened() -> None:
    line = problems(changed('labels = ["a", "b"]', f'labels = "{"x" * 500}"'))["labels"]
    assert len(line) < 100
    assert line.endswith("…)")


@pytest.mark.parametrize("text", ["x = ", "[a", "\x00", "a = 1\na = 2", "[" * 5000])
def test_what_is_not_toml_is_one_problem(text: str) -> None:
    with pytest.raises(SpecError, match=r"^some/recipe.toml: 1 problem\n  syntax: must be TOML"):
        parse_recipe(text, source="some/recipe.toml")


def test_the_file_is_named_and_the_page_that_helps(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("name = 3")
    with pytest.raises(SpecError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(f"{path}: 2 problems")
    assert caught.value.hint == "docs/recipes.md explains every field"


def test_a_file_that_cannot_be_read_is_a_problem_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "latin1.toml").write_bytes(b'name = "\xe9"')
    for name, reason in (("none.toml", "No such file"), (".", "Is a directory"), ("latin1.toml", "is not UTF-8")):
        with pytest.raises(SpecError, match=reason):
            load_recipe(tmp_path / name)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["name", "inputs", "labels", "preprocess", "data", "train", "args", "dynamic", "export", "other"]


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_any_parsed_table_is_understood_or_refused_in_words(raw: dict[str, object]) -> None:
    from mobilekit.spec.load import validate_recipe

    try:
        validate_recipe(raw, source="recipe.toml")
    except SpecError as error:
        assert error.problems
        assert "Input should" not in str(error)
