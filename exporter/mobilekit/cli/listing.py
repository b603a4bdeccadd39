"""`mobilekit list`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from mobilekit.cli.options import JsonOption
from mobilekit.cli.screen import ScreenProgress, print_columns


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
    if what is What.models:
        _show_models(as_json=as_json)
    elif what is What.schemes:
        _show_schemes(as_json=as_json)
    else:
        _show(_LISTS[what](), as_json=as_json)


def _show(rows: Sequence[Mapping[str, str]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    header = tuple(Text(column.replace("_", " "), style="bold") for column in rows[0])
    print_columns([header, *(tuple(Text(cell) for cell in row.values()) for row in rows)])


def _show_models(*, as_json: bool) -> None:
    """The zoo, for people in three digits; as JSON with every figure, and the card of the weights."""
    from mobilekit.model.zoo import short, zoo_models

    with ScreenProgress() as progress:
        models = zoo_models(progress)
    if as_json:
        listed = [
            {
                "model": one.name,
                "task": one.recipe.task,
                "inputs": [spec.model_dump(mode="json") for spec in one.recipe.inputs],
                "data": one.recipe.data.name if one.recipe.data else None,
                "parameters": one.size.parameters,
                "macs": one.size.macs,
                "top1": one.card.top1 if one.card else None,
                "summary": one.recipe.summary,
                "card": one.card.model_dump(mode="json") if one.card else None,
            }
            for one in models
        ]
        typer.echo(json.dumps(listed, indent=2))
        return
    rows = [
        {
            "model": one.name,
            "task": one.recipe.task,
            "input": one.input,
            "parameters": short(one.size.parameters),
            "MACs": short(one.size.macs),
            "accuracy": one.accuracy,
        }
        for one in models
    ]
    _show(rows, as_json=False)


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
    """One row for each pair of scheme and target that exists."""
    from mobilekit.lower import TARGETS
    from mobilekit.quantize import SCHEMES

    return [
        {
            "scheme": one.name,
            "target": target.name,
            "runtime": f"{target.runtime} {target.minimum_runtime(one.name)}",
            "summary": one.summary,
            "how": target.schemes[one.name].how,
            "pays": target.schemes[one.name].pays,
        }
        for one in SCHEMES.values()
        for target in TARGETS.values()
        if one.name in target.schemes
    ]


def _show_schemes(*, as_json: bool) -> None:
    """For people without the summary, and with what it is worth in the last column, which wraps."""
    rows = _schemes()
    if not as_json:
        shown = ("scheme", "target", "runtime")
        both = [{"how, and when it pays": f"{row['how']}. Pays: {row['pays']}."} for row in rows]
        rows = [{**{key: row[key] for key in shown}, **last} for row, last in zip(rows, both, strict=True)]
    _show(rows, as_json=as_json)


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
    "spoken-words": "4,320 clips of ten words that espeak-ng speaks on first use: no download",
    "speech-commands": "38,546 clips of ten words by 2,618 people (downloaded once, 2.3 GB)",
    "speech-commands-35": "105,829 clips of 35 words by the same people",
    "wavfolder:PATH": "your sounds, in folders as images; no speaker is in both splits",
    "imagefolder:PATH": "your images: PATH/train/<class>/ and PATH/test/<class>/, PATH/<class>/, or flat",
    "npz:PATH": "your arrays in a NumPy file",
    "package.module:function": "your function, which returns (train, test)",
}


_LISTS = {
    What.targets: _targets,
    What.runners: _runners,
    What.datasets: _datasets,
}
