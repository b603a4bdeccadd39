"""Reading recipe.toml: every problem of the file is reported at once, with its field and what is allowed."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from mobilekit.errors import Problem, SpecError
from mobilekit.spec.recipe import Recipe

_LONGEST_SHOWN = 60


def load_recipe(path: Path) -> Recipe:
    """Read and validate a recipe file. Raises SpecError with all problems."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise SpecError(str(path), [Problem("file", str(path), f"must be a readable file: {reason}")]) from error
    return parse_recipe(text, source=str(path))


def parse_recipe(text: str, *, source: str = "recipe.toml") -> Recipe:
    """Validate the text of a recipe file; `source` names it in errors."""
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SpecError(source, [Problem("syntax", str(error), "must be TOML")]) from error
    return validate_recipe(raw, source=source)


def validate_recipe(raw: dict[str, Any], *, source: str) -> Recipe:
    """Validate recipe fields that are already parsed. Types are taken strictly: `epochs = "10"` is refused."""
    # `args` go to the user's build() as they stand; elsewhere a list is a tuple that TOML cannot write.
    raw = {key: value if key == "args" else _as_tuples(value) for key, value in raw.items()}
    try:
        return Recipe.model_validate(raw, strict=True)
    except ValidationError as error:
        raise SpecError(source, problems_of(error, Recipe), hint="docs/recipes.md explains every field") from error


def problems_of(error: ValidationError, model: type[BaseModel] | None = None) -> list[Problem]:
    """pydantic's findings as problems, each field and message once, in the file's own words.

    With `model`, a field that does not exist is answered with the name of the closest one that does.
    """
    found: dict[tuple[str, str], Problem] = {}
    for item in error.errors(include_url=False):
        location = item["loc"]
        if item["type"] == "too_short" and len(item["input"]) >= item["ctx"]["min_length"]:
            continue  # pydantic counts only the valid items; the invalid ones are reported themselves
        if item["type"] == "extra_forbidden":
            allowed = _no_such_field(location, model)
        else:
            allowed = _ALLOWED.get(item["type"], item["msg"])
            for pattern, words in _WORDING:
                allowed = pattern.sub(words, allowed)
        given = "missing" if item["type"] == "missing" else _shown(item["input"])
        if item["type"] == "json_invalid" or (item["type"] == "value_error" and isinstance(item["input"], dict)):
            given = ""  # the message names what it is about
        field = _dotted(_without_kind(location))
        found.setdefault((field, allowed), Problem(field, given, allowed))
    return list(found.values())


_ALLOWED = {
    "missing": "is required",
    "union_tag_invalid": "kind must be 'image' or 'audio'",
    "union_tag_not_found": "must be a table",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "tuple_type": "must be a list",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
}
_WORDING = [
    (re.compile(pattern), words)
    for pattern, words in (
        (r"^Value error, ", ""),
        (r"^(?:Input|String|Tuple|List|Dictionary) should ", "must "),
        (r"be greater than or equal to (\S+)$", r"be \1 or more"),
        (r"be less than or equal to (\S+)$", r"be \1 or less"),
        (r"be greater than (\S+)$", r"be above \1"),
        (r"be less than (\S+)$", r"be below \1"),
        (r" after validation, not \d+$", ""),
        (r"have at least 1 item$", "not be empty"),
        (r"match pattern '\^?(.*?)\$?'$", r"match the pattern \1"),
    )
]


def _no_such_field(location: tuple[int | str, ...], model: type[BaseModel] | None) -> str:
    owner = _model_at(model, location[:-1])
    if owner is None:
        return "no such field"
    names = list(owner.model_fields)
    closest = difflib.get_close_matches(str(location[-1]), names, n=1, cutoff=0.65)
    return f"no such field, did you mean {closest[0]}?" if closest else f"no such field (have: {', '.join(names)})"


def _without_kind(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """`preprocess.image.color`, as pydantic names it once it knows the kind, is `preprocess.color` in the file."""
    kinds = ("image", "audio")
    return tuple(
        part for at, part in enumerate(location) if not (at and location[at - 1] == "preprocess" and part in kinds)
    )


def _model_at(model: Any, location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model class that describes the table at `location`; None where it cannot be told."""
    for part in location:
        if isinstance(part, str) and _is_model(model):
            field = model.model_fields.get(part)
            model = field.annotation if field else None
        elif of_kind := [one for one in _models_in(model) if _kind_of(one) == part]:
            model = of_kind[0]
        else:
            model = next((inner for inner in _inside(model) if inner is not type(None)), None)
        if not _is_model(model):
            models = [inner for inner in _inside(model) if _is_model(inner)]
            model = models[0] if len(models) == 1 and type(None) in get_args(model) else model
    return model if _is_model(model) else None


def _inside(annotation: Any) -> tuple[Any, ...]:
    """`X, ...` of tuple[X, ...], `str, X` of dict[str, X] without its key."""
    args = get_args(annotation)
    return args[1:] if getattr(annotation, "__origin__", None) is dict else args


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The model classes of a union, however deep."""
    if _is_model(annotation):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]


def _kind_of(model: type[BaseModel]) -> Any:
    return model.model_fields["kind"].default if "kind" in model.model_fields else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _as_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_tuples(inner) for key, inner in value.items()}
    return tuple(_as_tuples(inner) for inner in value) if isinstance(value, list | tuple) else value


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part if part.isprintable() else json.dumps(part)}"
    return text.removeprefix(".") or "the file as a whole"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    text = json.dumps(value, ensure_ascii=False, default=str)
    if not text.isprintable():  # a file's text must not steer the terminal
        text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


S = TypeVar("S", bound=BaseModel)


def revalidated(base: S, changes: Mapping[str, Any]) -> S:
    """`base` with options of the command line laid over it. Raises SpecError with all problems."""
    try:
        return type(base).model_validate({**base.model_dump(), **changes})
    except ValidationError as error:
        raise SpecError("command line", problems_of(error, type(base))) from error
