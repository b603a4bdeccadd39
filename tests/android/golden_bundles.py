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
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mobilekit.data import Dataset
from mobilekit.data.base import Labels, Sample, TwoSplits
from mobilekit.errors import MobilekitError
from mobilekit.files import write_atomically
from mobilekit.model import resolve
from mobilekit.pipeline import ExportOptions, export_source
from mobilekit.preprocess import normalize, to_pixels
from mobilekit.runners.build import executorch_version
from mobilekit.runners.native import NativeRunner
from mobilekit.spec import ImagePreprocess

sys.path.insert(0, str(Path(__file__).parent))
from photo_model import export_photo_model
from pictures import SUBJECTS, calibration_pictures, golden_pictures, photos
from sounds import calibration_sounds, golden_sounds

MODELS = ("lenet", "resnet20", "mobilenet_v3_small", "kws_gru")
PHOTOS = "mobilenet_v3_small"
"""The one for 224x224, which photo_model.py makes; the others are the zoo's with their weights."""
RANDOM_CASES = 40
RUNNER, RANDOM = "runner.path", "random.json"


@dataclass(frozen=True, eq=False)
class Files:
    """A split of files that lie nowhere but in memory."""

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
        labels = [sample.label for sample in self.samples if sample.label is not None]
        return np.array(labels, np.int64) if labels else None


def pictures(labels: Sequence[str] = ()) -> Dataset:
    """The pictures as a data set, labelled where they show what `labels` names."""
    splits = (
        Files(
            "pictures", which, tuple(Sample(one.id, _index(one.subject, labels), encoded=one.encoded) for one in given)
        )
        for which, given in (("train", calibration_pictures()), ("test", golden_pictures()))
    )
    return TwoSplits("pictures", tuple(labels) or None, "image", *splits)


def sounds() -> Dataset:
    splits = (
        Files("sounds", which, tuple(Sample(one.id, None, encoded=one.encoded) for one in given))
        for which, given in (("train", calibration_sounds()), ("test", golden_sounds()))
    )
    return TwoSplits("sounds", None, "audio", *splits)


def _index(subject: str, labels: Sequence[str]) -> int | None:
    return labels.index(subject) if subject in labels else None


def make_bundle(name: str, folder: Path) -> Path:
    """The bundle of one model: XNNPACK and ONNX, fp32 and int8, every sample a golden one."""
    place = folder / name
    if (place / "bundle.json").is_file():
        return place
    if name == PHOTOS:
        export_photo_model(place, pictures(SUBJECTS))
        return place
    source = resolve(name)
    dataset = sounds() if source.recipe.task == "audio-classification" else pictures()
    options = ExportOptions(
        targets=("xnnpack", "onnx"), schemes=("fp32", "int8"), bench=False, golden=len(dataset.split("test"))
    )
    export_source(source, place, options, dataset=dataset)
    return place


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
