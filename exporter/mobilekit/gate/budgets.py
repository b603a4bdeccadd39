"""Budgets: how much worse a candidate may be, per metric, from `[tool.mobilekit.gate]` or a file of its own.

A budget is a number of percent or percentage points, or false: the metric is left out. Problems of a file are
reported all together.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from mobilekit.errors import Problem, SpecError
from mobilekit.spec.base import Spec
from mobilekit.spec.load import problems_of

PYPROJECT = "pyproject.toml"
_TABLE = ("tool", "mobilekit", "gate")
_HINT = "docs/gate.md explains every budget"


def _number_or_false(value: Any) -> Any:
    """One message for both alternatives, instead of one per alternative that failed."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    if value is not False and not number:
        raise ValueError("must be a number of 0 or more, or false to leave this metric out")
    return value


Budget = Annotated[Annotated[float, Field(ge=0)] | Literal[False], BeforeValidator(_number_or_false)]


class Budgets(Spec):
    """The most that each metric may get worse; false leaves it out."""

    latency_percent: Budget = 3.0
    instructions_percent: Budget = 0.5
    bytes_percent: Budget = 1.0
    delegated_share_points: Budget = 1.0
    planned_memory_percent: Budget = 1.0
    accuracy_points: Budget = 0.5
    agreement_points: Budget = 1.0


class VariantBudgets(Spec):
    """What differs for one variant; None: as for all."""

    latency_percent: Budget | None = None
    instructions_percent: Budget | None = None
    bytes_percent: Budget | None = None
    delegated_share_points: Budget | None = None
    planned_memory_percent: Budget | None = None
    accuracy_points: Budget | None = None
    agreement_points: Budget | None = None


class GateBudgets(Budgets):
    """Budgets for all variants, and what differs for some, by `TARGET:SCHEME`."""

    variants: dict[Annotated[str, Field(pattern=r"^[^:\s]+:[^:\s]+$")], VariantBudgets] = Field(default_factory=dict)

    def of(self, target: str, scheme: str) -> Budgets:
        """The budgets of one variant."""
        special = self.variants.get(f"{target}:{scheme}")
        own = {name: value for name, value in special.model_dump().items() if value is not None} if special else {}
        return Budgets.model_validate({**self.model_dump(exclude={"variants"}), **own})


def load_budgets(path: Path | None = None) -> tuple[GateBudgets, str]:
    """The budgets and where they come from, in words.

    `path` None: the table `[tool.mobilekit.gate]` of ./pyproject.toml where there is one, else the defaults. In
    another TOML file the fields stand at the top. Raises SpecError with all problems.
    """
    place = path or Path(PYPROJECT)
    if path is None and not place.is_file():
        return GateBudgets(), "the defaults"
    raw = _table(_read(place), place)
    if raw is None:
        if path is not None:
            problem = Problem("tool.mobilekit.gate", "missing", "is required in a pyproject.toml that is named")
            raise SpecError(str(place), [problem], hint=_HINT)
        return GateBudgets(), "the defaults"
    try:
        return GateBudgets.model_validate(raw, strict=True), str(place)
    except ValidationError as error:
        raise SpecError(str(place), problems_of(error, GateBudgets), hint=_HINT) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise SpecError(str(path), [Problem("file", str(path), f"must be a readable file: {reason}")]) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SpecError(str(path), [Problem("syntax", str(error), "must be TOML")]) from error


def _table(raw: dict[str, Any], path: Path) -> dict[str, Any] | None:
    """The gate's own table. None: the file is a pyproject.toml without one."""
    if path.name != PYPROJECT:
        return raw
    found: Any = raw
    for number, name in enumerate(_TABLE, start=1):
        if name not in found:
            return None
        found = found[name]
        if not isinstance(found, dict):
            raise SpecError(str(path), [Problem(".".join(_TABLE[:number]), repr(found), "must be a table")], hint=_HINT)
    return dict(found)
