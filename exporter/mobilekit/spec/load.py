"""Reading recipe.toml: every problem of the file is reported at once, with its field and what is allowed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

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
    except tomllib.TOMLDecodeError as error:
        raise SpecError(source, [Problem("syntax", "not TOML", str(error))]) from error
    return validate_recipe(raw, source=source)


def validate_recipe(raw: dict[str, Any], *, source: str) -> Recipe:
    """Validate recipe fields that are already parsed."""
    try:
        return Recipe.model_validate(raw)
    except ValidationError as error:
        raise SpecError(source, problems_of(error), hint="docs/recipes.md explains every field") from error


def problems_of(error: ValidationError) -> list[Problem]:
    """pydantic's findings as problems, one per field, in the file's own words."""
    found: dict[tuple[str, str], Problem] = {}
    for item in error.errors(include_url=False):
        field = _dotted(item["loc"])
        allowed = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            allowed = "no such field"
        given = "missing" if item["type"] == "missing" else _shown(item["input"])
        found.setdefault((field, allowed), Problem(field, given, allowed))
    return list(found.values())


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "recipe"


def _shown(value: Any) -> str:
    text = "a table" if isinstance(value, dict) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
