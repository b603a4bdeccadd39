"""Templates: those of report.html and the Markdown forms, with the filters that all share. Refuses undefined names."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from mobilekit.inspection.summary import size_text
from mobilekit.report import table

if TYPE_CHECKING:
    from jinja2 import Template

Filters = tuple[tuple[str, Callable[..., Any]], ...]


@cache
def template(name: str, own: Filters, *, autoescape: bool) -> Template:
    """The template called `name`; `own` are the filters that only its format has."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mobilekit.report", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=autoescape,
    )
    environment.filters.update(
        figure=table.figure,
        ratio=table.ratio,
        percent=table.percent,
        points=table.points,
        sqnr=table.sqnr,
        megabytes=lambda count: table.figure(None if count is None else count / 1e6),
        size=size_text,
    )
    environment.filters.update(own)
    return environment.get_template(name)
