"""Start: importing torch takes seconds, which the user should see."""

from __future__ import annotations

import sys

from mobilekit.progress import Progress


def load_torch(progress: Progress) -> None:
    """Import torch, announced, unless it is there already."""
    if "torch" not in sys.modules:
        with progress.task("starting torch"):
            import torch  # noqa: F401
