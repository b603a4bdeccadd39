"""`mobilekit list`."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from mobilekit.cli.options import JsonOption
from mobilekit.cli.screen import print_columns


class What(StrEnum):
    """What can be listed."""

    models = "models"
    targets = "targets"
    schemes = "schemes"
    runners = "runners"
    datasets = "datasets"


def command(
    what: Annotated[
        What,
        typer.Argument(metavar="WHAT", help="models, targets, schemes, runners or datasets.", show_default=False),
    ],
    as_json: JsonOption = False,
) -> None:
    """What mobilekit knows: models, targets, schemes, runners, datasets.

    \b
    Examples:
      mobilekit list models
      mobilekit list targets --json
    """
    rows = _LISTS[what]()
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    header = tuple(Text(column.replace("_", " "), style="bold") for column in rows[0])
    print_columns([header, *(tuple(Text(cell) for cell in row.values()) for row in rows)])


def _models() -> list[dict[str, str]]:
    from mobilekit.model import zoo_names
    from mobilekit.model.zoo import zoo_folder
    from mobilekit.spec import load_recipe

    rows = []
    for name in zoo_names():
        recipe = load_recipe(zoo_folder() / name / "recipe.toml")
        rows.append(
            {
                "model": name,
                "inputs": ", ".join(f"{spec.name} {spec.describe()}" for spec in recipe.inputs),
                "data": recipe.data.name if recipe.data else "",
                "summary": recipe.summary,
            }
        )
    return rows


def _targets() -> list[dict[str, str]]:
    from mobilekit.lower import TARGETS

    return [
        {
            "target": one.name,
            "schemes": ", ".join(one.schemes),
            "here": one.missing() or "yes",
            "summary": one.summary,
        }
        for one in TARGETS.values()
    ]


def _schemes() -> list[dict[str, str]]:
    from mobilekit.lower import TARGETS
    from mobilekit.quantize import SCHEMES

    return [
        {
            "scheme": one.name,
            "targets": ", ".join(target.name for target in TARGETS.values() if one.name in target.schemes),
            "summary": one.summary,
        }
        for one in SCHEMES.values()
    ]


def _runners() -> list[dict[str, str]]:
    from mobilekit.runners import RUNNERS

    return [
        {
            "runner": one.name,
            "runtime": one.runtime,
            "files": ", ".join(one.suffixes),
            "here": one.unavailable() or "yes",
        }
        for one in RUNNERS.values()
    ]


def _datasets() -> list[dict[str, str]]:
    from mobilekit.data import dataset_names

    names = (*dataset_names(), "package.module:function")
    return [{"dataset": name, "summary": _DATASETS.get(name, "from an installed plug-in")} for name in names]


_DATASETS = {
    "digits": "1,797 real handwritten digits, 8x8, come with scikit-learn: no download",
    "mnist": "70,000 handwritten digits, 28x28 (downloaded once)",
    "fashion-mnist": "70,000 pictures of clothes, 28x28 (downloaded once)",
    "cifar10": "60,000 colour pictures of 10 things, 32x32 (downloaded once)",
    "imagefolder:PATH": "your images: PATH/train/<class>/ and PATH/test/<class>/, PATH/<class>/, or flat",
    "npz:PATH": "your arrays in a NumPy file",
    "package.module:function": "your function, which returns (train, test)",
}


_LISTS = {
    What.models: _models,
    What.targets: _targets,
    What.schemes: _schemes,
    What.runners: _runners,
    What.datasets: _datasets,
}
