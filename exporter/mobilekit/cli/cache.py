"""`mobilekit cache`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from mobilekit.cli.options import JsonOption
from mobilekit.cli.screen import print_columns

if TYPE_CHECKING:
    from mobilekit.cache import Held


def command(
    clear: Annotated[bool, typer.Option("--clear", help="Remove them all. Compiled runners stay.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What exports have kept for the next one: programs, artifacts, and what running them showed.

    \b
    Examples:
      mobilekit cache
      mobilekit cache --json
      mobilekit cache --clear

    MOBILEKIT_CACHE names the folder (~/.cache/mobilekit), MOBILEKIT_CACHE_GB how much it may hold (4; 0 for none).
    """
    from mobilekit.cache import Cache, cache_root, largest_bytes

    limit, cache = largest_bytes(), Cache(cache_root())
    if clear:
        gone = cache.clear()
        typer.echo(json.dumps({"removed": gone}) if as_json else f"removed {gone} from {cache.folder}")
        return
    held = cache.held()
    total = sum(one.bytes for one in held)
    if as_json:
        shown = {
            "folder": str(cache.folder),
            "bytes": total,
            "limit_bytes": limit,
            "entries": [_plain(one) for one in held],
        }
        typer.echo(json.dumps(shown, indent=2))
        return
    if held:
        head = tuple(Text(column, style="bold") for column in ("stage", "of", "MB", "last used", "entry"))
        print_columns([head, *(tuple(map(Text, _row(one))) for one in held)])
        typer.echo("")
    typer.echo(f"{len(held)} entries, {total / 1e6:.1f} of {limit / 1e6:.0f} MB, in {cache.folder}")


def _row(one: Held) -> tuple[str, ...]:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.used))
    return one.stage, one.about, f"{one.bytes / 1e6:.1f}", used, one.name


def _plain(one: Held) -> dict[str, object]:
    return {
        "entry": one.name,
        "stage": one.stage,
        "of": one.about,
        "bytes": one.bytes,
        "made": one.made,
        "last_used": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.used)),
        "path": str(one.path),
    }
