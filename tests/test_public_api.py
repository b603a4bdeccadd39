"""The public names, frozen: adding one is a decision, taking one away breaks somebody."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

import mobilekit

NAMES = {
    "mobilekit": ["Bundle", "MobilekitError", "__version__", "export"],
    "mobilekit.spec": [
        "AudioPreprocess",
        "AugmentSpec",
        "DType",
        "DataSpec",
        "DynamicDim",
        "ExportSpec",
        "ImagePreprocess",
        "Preprocess",
        "QuantizeSpec",
        "Recipe",
        "Resize",
        "Spec",
        "StreamSpec",
        "StreamState",
        "Streaming",
        "TensorSpec",
        "TrainSpec",
        "load_recipe",
        "parse_inputs",
        "parse_recipe",
    ],
    "mobilekit.bundle": [
        "MANIFEST_FILE",
        "SCHEMA_VERSION",
        "Artifact",
        "Bundle",
        "DeviceBench",
        "Manifest",
        "import_device_benches",
        "kept_device_benches",
        "read_device_bench",
    ],
    "mobilekit.preprocess": [
        "AudioStream",
        "audio_features",
        "center_crop",
        "decode_audio",
        "decode_image",
        "encode_wav",
        "normalize",
        "pad_to_center",
        "preprocess_audio",
        "preprocess_image",
        "read_wav",
        "resample",
        "resample_sound",
        "resized_size",
        "to_clip",
        "to_pixels",
    ],
    "mobilekit.data": [
        "Dataset",
        "Sample",
        "Samples",
        "Split",
        "Subset",
        "dataset_names",
        "generated",
        "materialize",
        "materialize_pixels",
        "open_dataset",
        "subset",
    ],
    "mobilekit.model": ["ModelSource", "RunCard", "load_run_card", "resolve", "write_run_card", "zoo_names"],
    "mobilekit.train": ["Part", "TrainResult", "TrainingData", "load_training_data", "resolve_device", "train"],
    "mobilekit.capture": [
        "CAUSES",
        "Captured",
        "Cause",
        "capture",
        "captured_program",
        "example_inputs",
        "export_graph",
    ],
    "mobilekit.quantize": [
        "SCHEMES",
        "QuantizationReport",
        "Quantized",
        "Ranking",
        "Scheme",
        "prepare",
        "quantize",
        "rank_layers",
        "scheme",
    ],
    "mobilekit.lower": ["TARGETS", "Lowered", "Realization", "Target", "check_schemes", "realizations", "target"],
    "mobilekit.runners": [
        "RUNNERS",
        "Array",
        "Effort",
        "FedState",
        "Feed",
        "Runner",
        "Session",
        "Timing",
        "Worker",
        "runner",
        "runner_for",
    ],
    "mobilekit.verify": [
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
    ],
    "mobilekit.bench": [
        "BUSY_PER_SECOND",
        "Entry",
        "Protocol",
        "Summary",
        "Watch",
        "cold_start",
        "count_instructions",
        "counter",
        "disturbances",
        "disturbances_of",
        "disturbed",
        "measure",
        "measure_together",
        "summarize",
        "untimed",
    ],
    "mobilekit.gate": [
        "METRICS",
        "Budgets",
        "Figures",
        "Finding",
        "GateBudgets",
        "GateResult",
        "Metric",
        "Pair",
        "Race",
        "Side",
        "Verdict",
        "compare_figures",
        "figures_of",
        "load_budgets",
        "matched",
        "overall",
        "race",
    ],
    "mobilekit.inspection": ["Inspection", "inspect_artifact"],
    "mobilekit.embed": ["Embedded", "Finding", "Removed", "embed", "remove"],
    "mobilekit.report": [
        "Report",
        "Row",
        "Verdict",
        "caveats",
        "noise_floor",
        "phone_rows",
        "print_latencies",
        "print_phones",
        "print_results",
        "pull_request_markdown",
        "report_html",
        "report_json",
        "report_markdown",
        "report_of",
        "result_rows",
        "verdicts",
        "write_reports",
    ],
    "mobilekit.pipeline": [
        "BenchOptions",
        "GateOptions",
        "TuneOptions",
        "gate",
        "DemoResult",
        "ExportOptions",
        "bench_bundle",
        "demo",
        "export",
        "export_source",
        "find_mistakes",
        "train_seeds",
        "train_source",
        "tune",
        "verify_bundle",
    ],
}
OPTIONS_OF_EXPORT = [
    "module",
    "example_inputs",
    "targets",
    "quantize",
    "output",
    "name",
    "input_names",
    "dynamic_batch",
    "data",
    "corrupt",
    "preprocess",
    "labels",
    "quantization",
    "trained",
    "threads",
    "bench",
    "golden",
    "force",
    "cache",
    "progress",
]


@pytest.mark.parametrize("package", NAMES)
def test_the_public_names_of(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(module.__all__) == sorted(NAMES[package])
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_the_options_of_export() -> None:
    assert list(inspect.signature(mobilekit.export).parameters) == OPTIONS_OF_EXPORT


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'exprot'"):
        mobilekit.exprot  # noqa: B018


@pytest.mark.parametrize("module", ["mobilekit", "mobilekit.spec", "mobilekit.bundle.manifest", "mobilekit.cli.app"])
def test_importing_is_cheap(module: str) -> None:
    heavy = "('torch', 'torchvision', 'executorch', 'onnx', 'onnxruntime', 'coremltools', 'sklearn')"
    code = f"import sys, {module}\nprint(sorted(set(sys.modules) & set({heavy})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def test_import_mobilekit_alone_does_not_import_numpy() -> None:
    code = "import sys, mobilekit\nprint('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
