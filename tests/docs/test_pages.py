"""The pages agree with the code: links, recipes, fields, tables, versions and names."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from typing import Any

import mobilekit
from mobilekit.data import dataset_names
from mobilekit.lower import TARGETS
from mobilekit.lower.table import details, overview
from mobilekit.quantize import SCHEMES
from mobilekit.spec import (
    AudioPreprocess,
    DataSpec,
    DynamicDim,
    ExportSpec,
    ImagePreprocess,
    QuantizeSpec,
    Recipe,
    Resize,
    StreamSpec,
    StreamState,
    TensorSpec,
    TrainSpec,
)
from mobilekit.spec.load import validate_recipe
from mobilekit.spec.train import AugmentSpec


def test_links_within_the_repository_lead_somewhere(pages: dict[str, Any]) -> None:
    broken = []
    for page in pages.values():
        for link in page.links():
            if re.match(r"[a-z]+:", link):
                continue
            place, _, anchor = link.partition("#")
            target = (page.path.parent / place).resolve() if place else page.path
            other = next((one for one in pages.values() if one.path.resolve() == target), None)
            if not target.exists() or (anchor and (other is None or anchor not in other.anchors())):
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_every_page_can_be_reached_from_the_readme(pages: dict[str, Any]) -> None:
    seen, waiting = set(), ["README.md"]
    while waiting:
        page = pages[waiting.pop()]
        seen.add(page.name)
        targets = {(page.path.parent / link.partition("#")[0]).resolve() for link in page.links()}
        waiting += [name for name, one in pages.items() if one.path.resolve() in targets and name not in seen]
    assert set(pages) - seen == set()


def test_every_recipe_in_the_pages_validates(pages: dict[str, Any]) -> None:
    """A block that is only a part of a recipe is laid over a small one first."""
    base = {"name": "part", "task": "tensor", "inputs": [{"name": "x", "shape": [1, 4]}]}
    blocks = [block for page in pages.values() for block in page.blocks("toml")]
    recipes = [
        (block, tomllib.loads(block.code))
        for block in blocks
        if not re.search(r"entry-points|mobilekit\.gate", block.code)
    ]
    assert len(recipes) >= 4
    for block, raw in recipes:
        validate_recipe({**base, **raw}, source=block.where)


def test_the_first_recipe_shows_every_field_of_every_table(pages: dict[str, Any]) -> None:
    raw = tomllib.loads(pages["docs/recipes.md"].blocks("toml")[0].code)
    assert set(raw) == {*Recipe.model_fields, "dynamic"} - {"stream"}, "an image comes at once"
    assert set(raw["inputs"][0]) == set(TensorSpec.model_fields) - {"dynamic"}
    assert set(raw["dynamic"]["batch"]) == set(DynamicDim.model_fields)
    for name, model in (("data", DataSpec), ("export", ExportSpec)):
        assert set(raw[name]) == set(model.model_fields)
    assert len(raw["train"]) >= 9, "those that most recipes set"


def test_every_field_is_explained(pages: dict[str, Any]) -> None:
    recipes = pages["docs/recipes.md"]
    for section, model in (
        ("The top", Recipe),
        ("`[[inputs]]`", TensorSpec),
        ("`[[inputs]]`", DynamicDim),
        ("`[preprocess]`", ImagePreprocess),
        ("`[preprocess]`", Resize),
        ("`[data]`", DataSpec),
        ("`[train]`", TrainSpec),
        ("`[train.augment]`", AugmentSpec),
        ("`[quantize]`", QuantizeSpec),
        ("`[export]`", ExportSpec),
        ("`[stream]`", StreamSpec),
        ("`[stream]`", StreamState),
    ):
        missing = set(model.model_fields) - set(recipes.section(section).inline_code())
        assert missing == set(), section
    assert set(AudioPreprocess.model_fields) <= set(recipes.section("`[preprocess]`").inline_code())
    assert set(AudioPreprocess.model_fields) <= set(pages["docs/audio-preprocessing.md"].inline_code())
    contract = set(pages["docs/preprocessing.md"].inline_code())
    assert set(ImagePreprocess.model_fields) <= contract
    assert {f"resize.{name}" for name in Resize.model_fields} <= contract


def test_every_field_that_a_table_explains_exists(pages: dict[str, Any]) -> None:
    recipes = pages["docs/recipes.md"]
    for section, names in (
        ("The top", {*Recipe.model_fields, "dynamic"}),
        ("`[[inputs]]`", set(TensorSpec.model_fields)),
        ("`[data]`", set(DataSpec.model_fields)),
        ("`[train]`", set(TrainSpec.model_fields)),
        ("`[train.augment]`", set(AugmentSpec.model_fields)),
        ("`[quantize]`", set(QuantizeSpec.model_fields)),
        ("`[export]`", set(ExportSpec.model_fields)),
        ("`[stream]`", set(StreamSpec.model_fields)),
    ):
        rows = re.findall(r"^\| `(\w+)` \|", recipes.section(section).text, flags=re.MULTILINE)
        assert len(rows) == len(set(rows))
        assert set(rows) == names, section


def test_defaults_in_the_tables_are_the_defaults(pages: dict[str, Any]) -> None:
    recipes = pages["docs/recipes.md"]
    words = {"true": True, "false": False, "none": None, "empty": (), "nothing": AugmentSpec()}
    for section, model in (
        ("`[data]`", DataSpec),
        ("`[train]`", TrainSpec),
        ("`[train.augment]`", AugmentSpec),
        ("`[quantize]`", QuantizeSpec),
        ("`[export]`", ExportSpec),
    ):
        for name, default in re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|", recipes.section(section).text, re.M):
            real = model.model_fields[name].default
            if default in ("required", "all"):
                assert real is None or model.model_fields[name].is_required(), name
                continue
            if default in words:
                assert real == words[default], name
                continue
            written = ast.literal_eval(default.strip("`"))
            assert (tuple(written) if isinstance(written, list) else written) == real, name


def test_targets_and_schemes_are_those_that_exist(pages: dict[str, Any]) -> None:
    for page, section in (("README.md", "What it makes"), ("docs/exporting.md", "Targets and schemes")):
        rows = _table(pages[page].section(section).text)
        columns = {name: at for at, name in enumerate(rows[0]) if name in SCHEMES}
        for row in rows[1:]:
            promised = {scheme for scheme, at in columns.items() if row[at] == "yes"}
            assert promised <= set(TARGETS[row[0].strip("`")].schemes), page
        assert {row[0].strip("`"): row[1].partition(",")[0].strip("`") for row in rows[1:]} == {
            target.name: target.suffix for target in TARGETS.values()
        }


def test_the_schemes_page_has_the_tables_that_the_targets_give(pages: dict[str, Any]) -> None:
    """`python -m mobilekit.lower.table` prints them anew."""
    text = pages["docs/schemes.md"].text
    assert overview(TARGETS) in text
    for name, target in TARGETS.items():
        assert f"### {name}\n\n{details(target)}\n" in text
    assert all(f"`{scheme}`" in pages["docs/exporting.md"].section("Targets and schemes").text for scheme in SCHEMES)


def test_every_argument_of_export_is_explained(pages: dict[str, Any]) -> None:
    rows = _table(pages["docs/python-api.md"].section("One call").text)[1:]
    named = [name.strip("` ") for row in rows for name in row[0].split(",")]
    assert sorted(named) == sorted(inspect.signature(mobilekit.export).parameters)


def test_the_data_page_names_every_data_set(pages: dict[str, Any]) -> None:
    rows = _table(pages["docs/data.md"].section("Naming it").text)[1:]
    named = {name.strip("` ") for row in rows for name in row[0].split(",")}
    assert named == {*dataset_names(), "package.module:function"}


def test_contributing_names_the_entry_points_that_are_read(pages: dict[str, Any]) -> None:
    groups = set(re.findall(r'"mobilekit\.(\w+)"', pages["CONTRIBUTING.md"].text))
    source = "".join(
        (pages["README.md"].path.parent / "exporter/mobilekit" / file).read_text(encoding="utf-8")
        for file in ("lower/targets.py", "runners/registry.py", "data/sources.py")
    )
    assert groups == set(re.findall(r'with_plugins\("(\w+)"', source))


def test_versions_agree(pages: dict[str, Any]) -> None:
    project = tomllib.loads((pages["README.md"].path.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    newest = re.findall(r"^## \[([^\]]+)\]", pages["CHANGELOG.md"].text, flags=re.MULTILINE)[0]
    assert newest in (mobilekit.__version__, "Unreleased")
    pythons = [f"3.{minor}" for minor in (11, 12, 13)]
    assert project["requires-python"] == ">=3.11,<3.14"
    assert "Python 3.11, 3.12 or 3.13" in pages["README.md"].text
    assert [c.rpartition(" ")[2] for c in project["classifiers"] if ":: Python :: 3" in c] == pythons


def test_the_readme_stays_short(readme: Any) -> None:
    assert readme.text.count("\n") <= 200


def test_python_in_the_pages_is_python(pages: dict[str, Any]) -> None:
    for page in pages.values():
        for block in page.blocks("python"):
            compile(block.code, block.where, "exec")


def _table(text: str) -> list[list[str]]:
    """The first table's rows as cells, the head first."""
    lines = re.search(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    assert lines is not None
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines.group().splitlines()]
    return [rows[0], *rows[2:]]
