"""Place: where what was made once is kept, and how much of it. Refuses a limit that is not a number."""

from __future__ import annotations

import math
import os
from pathlib import Path

from mobilekit.errors import UsageError

PLACE, LIMIT = "MOBILEKIT_CACHE", "MOBILEKIT_CACHE_GB"
DEFAULT_GB = 4.0
"""Some two hundred exports of a network of the size of MobileNetV2, in float and int8 for all targets."""


def cache_root() -> Path:
    """Where what was compiled, fetched and made is kept: $MOBILEKIT_CACHE, or ~/.cache/mobilekit."""
    given = os.environ.get(PLACE)
    return Path(given).expanduser() if given else Path.home() / ".cache" / "mobilekit"


def largest_bytes() -> int:
    """How many bytes the results of stages may take: $MOBILEKIT_CACHE_GB, or 4 GB. Raises UsageError."""
    given = os.environ.get(LIMIT)
    try:
        gigabytes = float(given) if given else DEFAULT_GB
    except ValueError:
        gigabytes = math.nan
    if not 0 <= gigabytes < math.inf:
        raise UsageError(f"{LIMIT} is {given!r}, not a number of gigabytes", hint=f"for example {LIMIT}=10")
    return int(gigabytes * 1e9)
