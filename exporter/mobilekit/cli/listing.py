"""`mobilekit list`."""

from __future__ import annotations

import json
from enum import StrEnum

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from mobilekit.cli.options import JsonOption
from mobilekit.cli.screen import results


class What(StrEnum):
    """What can be listed."""

    models = "models"
    targets = "targets"
    schemes = "schemes"
    runners = "runners"
    datasets = "datasets"


def command(
    what: What = typer.Argument(help="models, targets, schemes, runners or datasets.", show_default=False),  # noqa: B008
    as_json: JsonOption = False,
) -> None:
    """What mobilekit knows: models of the zoo, targets and the schemes they take, runners, data sets."""
    rows = _LISTS[what]()
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    results().print(table)


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
                "task": recipe.task,
                "inputs": ", ".join(f"{spec.name} {spec.dtype} {spec.describe()}" for spec in recipe.inputs),
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

    return [{"data set": name} for name in (*dataset_names(), "package.module:function")]


_LISTS = {
    What.models: _models,
    What.targets: _targets,
    What.schemes: _schemes,
    What.runners: _runners,
    What.datasets: _datasets,
}
