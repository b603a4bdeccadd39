"""Verify: what an artifact answers on real samples in its own runtime, against eager and named thresholds."""

from mobilekit.verify.artifact import verify_artifact
from mobilekit.verify.compare import Comparison, compare
from mobilekit.verify.dynamic import verify_dynamic
from mobilekit.verify.metrics import Distance, distance, max_abs_error, predictions, sqnr_db
from mobilekit.verify.stream import STREAM_ERROR, verify_stream
from mobilekit.verify.thresholds import THRESHOLDS, Limit, Thresholds, thresholds

__all__ = [
    "STREAM_ERROR",
    "THRESHOLDS",
    "Comparison",
    "Distance",
    "Limit",
    "Thresholds",
    "compare",
    "distance",
    "max_abs_error",
    "predictions",
    "sqnr_db",
    "thresholds",
    "verify_artifact",
    "verify_dynamic",
    "verify_stream",
]
