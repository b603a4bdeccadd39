"""mobilekit: a trained PyTorch model in, a verified, phone-ready bundle out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mobilekit.bundle import Bundle as Bundle
    from mobilekit.errors import MobilekitError as MobilekitError
    from mobilekit.pipeline import export as export

_LAZY = {
    "Bundle": "mobilekit.bundle",
    "MobilekitError": "mobilekit.errors",
    "export": "mobilekit.pipeline",
}

__all__ = ["Bundle", "MobilekitError", "__version__", "export"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that `import mobilekit` stays cheap."""
    import importlib

    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'mobilekit' has no attribute {name!r}")
