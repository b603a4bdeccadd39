"""The zoo: model folders that come with mobilekit. A folder of the user's is the same thing, with the same rights."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import mobilekit


@cache
def zoo_folder() -> Path:
    """`mobilekit/zoo` in an installed wheel, `models/` beside `exporter/` in a checkout."""
    package = Path(mobilekit.__file__).resolve().parent
    installed = package / "zoo"
    return installed if installed.is_dir() else package.parents[1] / "models"


def zoo_names() -> tuple[str, ...]:
    """Names of the models that come with mobilekit, sorted."""
    return tuple(sorted(path.parent.name for path in zoo_folder().glob("*/recipe.toml")))
