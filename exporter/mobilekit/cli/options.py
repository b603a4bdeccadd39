"""Options that several commands share, with the help that teaches them."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from mobilekit.errors import Problem, SpecError
from mobilekit.spec import DataSpec, Spec, TensorSpec, parse_inputs

MODEL_HELP = (
    "A zoo name (see `mobilekit list models`), a folder with recipe.toml, path/to/file.py:build, "
    "package.module:build, torchvision:ARCHITECTURE, a run made by `mobilekit train`, or a .pt2 file."
)
DATA_NAMES = (
    "digits, cifar10, spoken-words, speech-commands, imagefolder:PATH, wavfolder:PATH, npz:PATH, "
    "package.module:function and others (`mobilekit list datasets`)"
)


class Corrupt(StrEnum):
    """What to do with a sample that cannot be read."""

    refuse = "refuse"
    skip = "skip"


ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP, show_default=False)]
BundleArgument = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="A folder that `mobilekit export` wrote.", show_default=False)
]
InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="[NAME:][DTYPE:]DIMS",
        help="One per argument of forward(), in order; a dynamic dimension is NAME=MIN..MAX, and later NAME alone: "
        "-i image:batch=1..8,3,96,96 -i meta:batch,4. Default: the recipe's.",
        show_default=False,
    ),
]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        "--weights",
        "-w",
        metavar="FILE|NAME",
        help="A checkpoint (.safetensors, or .pt with tensors only), the name of torchvision's published weights "
        "(DEFAULT), or random. Default: those that come with the model.",
        show_default=False,
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option("--force", "-f", help="Replace what is at the output already, once the new one is complete."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
CorruptOption = Annotated[
    Corrupt,
    typer.Option(
        "--corrupt",
        metavar="refuse|skip",
        help="A sample that cannot be read is refused, or left out and named in the report.",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        max=256,
        help="Threads of each runtime. Default: every core, or 1 for a small input.",
        show_default=False,
    ),
]
RunnerOption = Annotated[
    str | None,
    typer.Option(
        "--runner",
        metavar="NAME",
        help="What runs the artifacts that it takes, for example native or arm64 (`mobilekit list runners`). "
        "Default: the usual runner of each.",
        show_default=False,
    ),
]
CalibrationOption = Annotated[
    int | None,
    typer.Option(
        "--calibration-samples",
        metavar="N",
        min=1,
        help="How many training samples calibrate int8. Default: the recipe's, else 256.",
        show_default=False,
    ),
]
TestOption = Annotated[
    int | None,
    typer.Option(
        "--test-samples",
        metavar="N",
        min=1,
        help="How many test samples measure accuracy. Default: the recipe's, else 500.",
        show_default=False,
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", min=0, help="Which samples are drawn. Default: the recipe's, else 0.", show_default=False
    ),
]


def inputs_of(texts: list[str] | None) -> tuple[TensorSpec, ...] | None:
    """`--input` options as specs, or None when there are none."""
    return parse_inputs(texts) if texts else None


def settings_of(texts: list[str], base: Spec, table: str) -> dict[str, Any]:
    """`--set FIELD=VALUE` options as changes of `base`, the recipe's [`table`]; a value is TOML, or text.

    Raises SpecError."""
    changes: dict[str, Any] = {}
    problems = []
    for text in texts:
        field, sign, value = text.partition("=")
        part, _, name = field.strip().rpartition(".")
        inner = getattr(base, part, None) if part else base
        if not sign or not name or not isinstance(inner, Spec):
            problems.append(
                Problem(f"--set {text}", repr(text), f"must be FIELD=VALUE, a field of the recipe's [{table}]")
            )
        elif part:
            changes.setdefault(part, inner.model_dump())[name] = _toml(value.strip())
        else:
            changes[name] = _toml(value.strip())
    if problems:
        raise SpecError("command line", problems, hint="docs/recipes.md lists the fields: --set augment.flip=true")
    return changes


def _toml(value: str) -> Any:
    """`0.1`, `true`, `[60, 80]` as TOML has them; anything else is text."""
    try:
        parsed = tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        return value
    return tuple(parsed) if isinstance(parsed, list) else parsed


def data_of(
    recipe_data: DataSpec | None,
    name: str | None,
    calibration_samples: int | None = None,
    test_samples: int | None = None,
    seed: int | None = None,
) -> DataSpec | None:
    """The data options laid over the recipe's; None when neither names any data."""
    from mobilekit.pipeline.evidence import DEFAULT_TEST_SAMPLES

    if name is None and recipe_data is None:
        return None
    base = recipe_data
    if base is None or (name is not None and name != base.name):
        base = DataSpec(name=name or "", test_samples=DEFAULT_TEST_SAMPLES)
    given = {"calibration_samples": calibration_samples, "test_samples": test_samples, "seed": seed}
    return base.model_copy(update={key: value for key, value in given.items() if value is not None})
