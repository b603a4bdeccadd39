"""Tuning: a search over targets, schemes, observers and float layers, by what was measured. Prints nothing."""

from mobilekit.pipeline.tuning.run import TuneOptions, tune

__all__ = ["TuneOptions", "tune"]
