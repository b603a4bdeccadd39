"""The exception tree, its drawing, and the exit codes' page are one and the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mobilekit import errors
from mobilekit.errors import ExitCode, MobilekitError, Problem, SpecError, UnknownName

ROOT = Path(__file__).parents[1]
CLASSES = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, MobilekitError)]
DRAWN = re.compile(r"^ {4}(?P<indent>[│ ]*)(?:├── |└── )?(?P<name>[A-Z]\w+)(?:\s+(?P<code>\d+))?(?:\s|$)", re.M)


def drawn_tree() -> dict[str, tuple[str | None, int | None]]:
    """name -> (parent, exit code if one is drawn), read from the drawing in the module's docstring."""
    above: dict[int, str] = {}
    tree: dict[str, tuple[str | None, int | None]] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = DRAWN.match(line)
        if not match or match["name"] not in vars(errors):
            continue
        depth = line.index(match["name"]) // 4
        parents = [above[level] for level in sorted(above) if level < depth]
        above = {level: name for level, name in above.items() if level < depth} | {depth: match["name"]}
        tree[match["name"]] = (parents[-1] if parents else None, int(match["code"]) if match["code"] else None)
    return tree


def test_the_drawing_shows_every_class_below_its_parent() -> None:
    drawn = {name: parent for name, (parent, _) in drawn_tree().items()}
    assert drawn == {one.__name__: one.__bases__[0].__name__ if one is not MobilekitError else None for one in CLASSES}


def test_the_drawing_gives_each_branch_its_exit_code() -> None:
    for name, (_, code) in drawn_tree().items():
        if code is not None:
            assert getattr(errors, name).exit_code == code, name


def test_every_class_says_what_it_is_for() -> None:
    assert [one.__name__ for one in CLASSES if not one.__doc__] == []


def test_the_documented_exit_codes_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    documented = {int(code): name for code, name in re.findall(r"^\| *(\d+) *\| *`(\w+)`", page, re.M)}
    assert documented == {code.value: code.name for code in ExitCode}


def test_the_documented_errors_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        for name in re.findall(r"`(\w+)`", cells[4]) if len(cells) == 6 else ():
            assert getattr(errors, name).exit_code == int(cells[1]), name
    raised = [one.__name__ for one in CLASSES if one is not MobilekitError]
    assert [name for name in raised if f"`{name}`" not in page] == []


def test_an_error_shows_its_hint_below_its_message() -> None:
    error = errors.BundleError("what is wrong", hint="how to mend it")
    assert str(error) == "what is wrong\nhint: how to mend it"
    assert str(errors.BundleError("only this")) == "only this"


def test_an_unknown_name_is_answered_with_the_closest_one_first() -> None:
    error = UnknownName("target", "xnpack", ["onnx", "coreml", "xnnpack"])
    assert str(error) == "unknown target 'xnpack', did you mean 'xnnpack'? (have: xnnpack, coreml, onnx)"
    assert (error.kind, error.name, error.choices) == ("target", "xnpack", ("onnx", "coreml", "xnnpack"))


@pytest.mark.parametrize(
    ("choices", "ending"),
    [([], "(have: none)"), ([f"m{i:02}" for i in range(25)], "m18, m19, … 5 more)")],
)
def test_an_unknown_name_copes_with_none_and_with_many_choices(choices: list[str], ending: str) -> None:
    assert str(UnknownName("model", "?", choices)).endswith(ending)


def test_a_spec_error_lists_all_problems() -> None:
    problems = [Problem("train.epochs", "0", "must be 1 or more"), Problem("preprocess", "", "needs a crop")]
    assert str(SpecError("recipe.toml", problems)) == (
        "recipe.toml: 2 problems\n  train.epochs: must be 1 or more (given: 0)\n  preprocess: needs a crop"
    )
    assert str(SpecError("recipe.toml", problems[:1])).startswith("recipe.toml: 1 problem\n")
