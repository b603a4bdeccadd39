"""Pipeline: the stages put together, as the command line and `mobilekit.export` run them. Prints nothing."""

from mobilekit.pipeline.api import export
from mobilekit.pipeline.benching import BenchOptions
from mobilekit.pipeline.demo import DemoResult, demo
from mobilekit.pipeline.exporting import ExportOptions, export_source
from mobilekit.pipeline.gating import GateOptions, gate
from mobilekit.pipeline.mistakes import find_mistakes
from mobilekit.pipeline.remeasure import bench_bundle, verify_bundle
from mobilekit.pipeline.seeds import train_seeds
from mobilekit.pipeline.training import train_source
from mobilekit.pipeline.tuning import TuneOptions, tune

__all__ = [
    "BenchOptions",
    "DemoResult",
    "ExportOptions",
    "GateOptions",
    "TuneOptions",
    "bench_bundle",
    "demo",
    "export",
    "export_source",
    "find_mistakes",
    "gate",
    "train_seeds",
    "train_source",
    "tune",
    "verify_bundle",
]
