"""Golden bundles: what the apps' tests hold the Kotlin and Swift code against, made by mobilekit's own export.

    python tests/android/golden_bundles.py FOLDER                  all of them, a few minutes the first time
    python tests/android/golden_bundles.py FOLDER --only lenet     one

FOLDER then holds a bundle for each model, `random.json` (sizes and choices drawn at random, with what Python makes of
them), and `runner.path`: the C++ runner that executes .pte files for tests on a JVM, and its version of ExecuTorch.
What is there already is left as it is.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mobilekit.data import Dataset
from mobilekit.data.base import Kind, Labels, Sample, TwoSplits
from mobilekit.errors import MobilekitError
from mobilekit.files import write_atomically
from mobilekit.model import resolve
from mobilekit.pipeline import ExportOptions, export_source, golden
from mobilekit.preprocess import normalize, to_pixels
from mobilekit.runners.build import executorch_version
from mobilekit.runners.native import NativeRunner
from mobilekit.spec import ImagePreprocess

sys.path.insert(0, str(Path(__file__).parent))
from pictures import calibration_pictures, golden_pictures, photos
from sounds import calibration_sounds, golden_sounds

MODELS = {
    "lenet": "lenet",
    "resnet20": "resnet20",
    "mobilenet_v3_small": "torchvision:mobilenet_v3_small",
    "kws_gru": "kws_gru",
}
"""torchvision's, and not the zoo's: 224x224, by way of a resize to 256 and a crop. Its weights are random."""
RANDOM_CASES = 40
RUNNER, RANDOM = "runner.path", "random.json"


@dataclass(frozen=True, eq=False)
class Files:
    """A split of files that lie nowhere but in memory. They have no labels."""

    source: str
    name: str
    samples: tuple[Sample, ...]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]

    def id_of(self, index: int) -> str:
        return self.samples[index].id

    def labels_of(self) -> Labels | None:
        return None


def pictures() -> Dataset:
    return _dataset("pictures", "image", list(calibration_pictures()), list(golden_pictures()))


def sounds() -> Dataset:
    return _dataset("sounds", "audio", list(calibration_sounds()), list(golden_sounds()))


def _dataset(name: str, kind: Kind, train: Sequence, test: Sequence) -> Dataset:  # type: ignore[type-arg]
    splits = (
        Files(name, which, tuple(Sample(one.id, None, encoded=one.encoded) for one in given))
        for which, given in (("train", train), ("test", test))
    )
    return TwoSplits(name, None, kind, *splits)


def make_bundle(name: str, folder: Path) -> Path:
    """The bundle of one model: XNNPACK and ONNX, fp32 and int8, every sample a golden one."""
    place = folder / name
    if (place / "bundle.json").is_file():
        return place
    source = resolve(MODELS[name])
    dataset = sounds() if source.recipe.task == "audio-classification" else pictures()
    options = ExportOptions(targets=("xnnpack", "onnx"), schemes=("fp32", "int8"), bench=False)
    with _all_golden():
        export_source(source, place, options, dataset=dataset)
    return place


@contextlib.contextmanager
def _all_golden() -> Iterator[None]:
    """An export takes the first few samples; here each is there to be one."""
    before, golden.COUNT = golden.COUNT, 1000
    try:
        yield
    finally:
        golden.COUNT = before


def random_cases(count: int = RANDOM_CASES) -> list[dict[str, object]]:
    """Images, choices, and what steps 3 to 7 of docs/preprocessing.md make of them."""
    rng = np.random.default_rng(0)
    sources = [np.asarray(photo) for photo in photos()]
    return [_case(rng, sources[index % len(sources)]) for index in range(count)]


def _case(rng: np.random.Generator, photo: np.ndarray) -> dict[str, object]:  # type: ignore[type-arg]
    height, width = (int(side) for side in rng.integers(1, 120, 2))
    top, left = (int(rng.integers(0, photo.shape[axis] - side + 1)) for axis, side in enumerate((height, width)))
    pixels = np.ascontiguousarray(photo[top : top + height, left : left + width])
    mode, color = rng.choice(["stretch", "cover", "fit"]), rng.choice(["RGB", "BGR", "L"])
    crop = [int(side) for side in rng.integers(1, 70, 2)] if mode == "cover" or rng.random() < 0.3 else None
    channels = 1 if color == "L" else 3
    spec = ImagePreprocess.model_validate(
        {
            "color": color,
            "resize": {
                "size": tuple(int(side) for side in rng.integers(1, 70, 2)),
                "mode": mode,
                "interpolation": rng.choice(["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]),
                "antialias": bool(rng.random() < 0.75),
                "pad_value": int(rng.integers(0, 256)),
            },
            "crop": crop and tuple(crop),
            "divisor": float(rng.choice([255.0, 127.5, 1.0])),
            "mean": tuple(float(value) for value in rng.uniform(0, 1, channels)),
            "std": tuple(float(value) for value in rng.uniform(0.1, 1, channels)),
            "layout": rng.choice(["NCHW", "NHWC"]),
        }
    )
    resized = to_pixels(pixels, spec)
    return {
        "preprocess": spec.model_dump(mode="json"),
        "image": _encoded(pixels),
        "pixels": _encoded(resized),
        "tensor": _encoded(normalize(resized, spec)),
    }


def _encoded(array: np.ndarray) -> dict[str, object]:  # type: ignore[type-arg]
    little = array.astype(array.dtype.newbyteorder("<"))
    return {"shape": list(array.shape), "base64": base64.b64encode(little.tobytes()).decode()}


def write_runner(folder: Path) -> None:
    """Compile the native runner and write where it is. Raises a MobilekitError where it cannot be compiled."""
    program = NativeRunner().launch(1).command[0]
    write_atomically(folder / RUNNER, f"{program}\n{executorch_version()}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=[*MODELS, "random", "runner"], action="append")
    chosen = parser.parse_args()
    wanted = chosen.only or ["runner", "random", *MODELS]
    chosen.folder.mkdir(parents=True, exist_ok=True)
    try:
        if "runner" in wanted:
            write_runner(chosen.folder)
        if "random" in wanted:
            write_atomically(chosen.folder / RANDOM, json.dumps(random_cases()) + "\n")
        for name in MODELS:
            if name in wanted:
                print(make_bundle(name, chosen.folder), flush=True)
    except MobilekitError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
