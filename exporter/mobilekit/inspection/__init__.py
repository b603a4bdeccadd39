"""Inspection: what is inside an artifact or a bundle. Reads, never executes, never unpickles."""

from mobilekit.inspection.inspect import inspect_artifact
from mobilekit.inspection.summary import Inspection

__all__ = ["Inspection", "inspect_artifact"]
