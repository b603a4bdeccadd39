"""Make the fixtures of the Swift package's tests from tests/golden, the zoo's recipes and Python's own preprocessing.

    python tests/ios/make_fixtures.py

What it writes is committed, so that `swift test` needs no Python; tests/ios/test_fixtures.py holds it against what
this script makes today. Large images are not stored: both sides make them from one formula, and compare hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilekit.bundle import Bundle
from mobilekit.bundle import manifest as m
from mobilekit.bundle.write import write_file, write_manifest, write_tensor
from mobilekit.preprocess import audio_features
from mobilekit.preprocess.image import normalize, to_pixels
from mobilekit.spec import AudioPreprocess, ImagePreprocess, Resize, load_recipe

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
FIXTURES = ROOT / "ios-demo/MobileKitRuntime/Tests/MobileKitRuntimeTests/Fixtures"
_LEFT_OUT = (".pt2", ".html", ".md")
"""What an app does not carry: `mobilekit embed` leaves it out as well."""


def main() -> None:
    shutil.rmtree(FIXTURES, ignore_errors=True)
    make(FIXTURES)
    size = sum(path.stat().st_size for path in FIXTURES.rglob("*") if path.is_file())
    print(f"{FIXTURES.relative_to(ROOT)}: {size:,} bytes")


def make(folder: Path) -> None:
    """All fixtures, in a folder that does not exist yet."""
    folder.mkdir(parents=True)
    for kind in ("preprocess", "audio"):
        (folder / kind).mkdir()
        for path in sorted((GOLDEN / kind).glob("*.json")):
            if path.name != "decode.json":  # encoded files: the package decodes sound, not pictures
                shutil.copyfile(path, folder / kind / path.name)
    _write(folder / "generated.json", [_generated(*case) for case in _cases()])
    _write(folder / "orientation.json", _orientations())
    _write(folder / "sound.json", _sound())
    _write(folder / "stream.json", _stream())
    bundle(folder / "bundle")
    _write(folder / "device-bench.json", _device_bench(folder / "bundle"))


def generated_pixels(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    """uint8 (height, width, 3) from a hash of each value's index: the formula that PreprocessTests.swift has too."""
    values = np.arange(height * width * 3, dtype=np.uint32) * np.uint32(2_654_435_761) + np.uint32(seed)
    values = (values ^ (values >> np.uint32(15))) * np.uint32(2_246_822_519)
    return (values >> np.uint32(24)).astype(np.uint8).reshape(height, width, 3)


def _cases() -> list[tuple[str, int, int, int, ImagePreprocess]]:
    """name, seed, height, width, preprocessing: the zoo's own on photos of odd sizes, and each way to resize."""
    sizes = [(427, 641), (1, 1), (3, 900), (801, 7), (224, 224)]
    cases = []
    for model in ("lenet", "resnet20", "mobilenet_v3_small"):
        spec = load_recipe(ROOT / "models" / model / "recipe.toml").preprocess
        assert isinstance(spec, ImagePreprocess)
        for seed, (height, width) in enumerate(sizes):
            cases.append((f"{model} {width}x{height}", seed, height, width, spec))
    for seed, interpolation in enumerate(("nearest", "box", "bilinear", "bicubic")):
        for antialias in (True, False):
            resize = Resize(size=(61, 83), interpolation=interpolation, antialias=antialias)
            name = f"{interpolation} antialias {antialias}".lower()
            cases.append((name, seed, 190, 131, ImagePreprocess(resize=resize)))
    return cases


def _generated(name: str, seed: int, height: int, width: int, spec: ImagePreprocess) -> dict[str, Any]:
    pixels = to_pixels(generated_pixels(seed, height, width), spec)
    tensor = normalize(pixels, spec)
    return {
        "name": name,
        "seed": seed,
        "height": height,
        "width": width,
        "preprocess": spec.model_dump(mode="json"),
        "pixels_shape": list(pixels.shape),
        "pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "tensor_shape": list(tensor.shape),
        "tensor_sha256": hashlib.sha256(np.ascontiguousarray(tensor, "<f4").tobytes()).hexdigest(),
    }


def _sound() -> dict[str, Any]:
    """What kws_gru hears of a clip of noise: the zoo's own front end, whole."""
    spec = load_recipe(ROOT / "models/kws_gru/recipe.toml").preprocess
    assert isinstance(spec, AudioPreprocess)
    waveform = generated_sound(spec.clip_samples)
    features = audio_features(waveform, spec)
    return {
        "preprocess": spec.model_dump(mode="json"),
        "waveform_sha256": hashlib.sha256(waveform.astype("<f4").tobytes()).hexdigest(),
        "shape": list(features.shape),
        "features": base64.b64encode(features.astype("<f4").tobytes()).decode(),
    }


def generated_sound(samples: int) -> NDArray[np.float32]:
    """float32 (samples,) of 16 bits each: noise that swells, by a formula that AudioTests.swift has too."""
    index = np.arange(samples, dtype=np.uint32)
    values = index * np.uint32(2_654_435_761)
    values = ((values ^ (values >> np.uint32(15))) * np.uint32(2_246_822_519)) >> np.uint32(16)
    noise = values.astype(np.int64) - 32_768
    swell = (index >> np.uint32(9)).astype(np.int64) % 8
    return ((noise * swell) >> 3).astype(np.float32) / np.float32(32_768)


def _orientations() -> dict[str, Any]:
    """Every value of EXIF tag 0x0112, and one that means nothing, as numpy's own turns give them."""
    stored = generated_pixels(7, 2, 3)
    turned = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(stored, 1),
        9: stored,
    }
    return {
        "stored": _numbers(stored),
        "turns": [{"orientation": value, "upright": _numbers(upright)} for value, upright in turned.items()],
    }


def _stream() -> dict[str, Any]:
    """A streaming model's inputs, outputs and states, as bundle.json has them."""

    def tensor(name: str, *shape: int) -> dict[str, Any]:
        return {"name": name, "dtype": "float32", "shape": list(shape), "dynamic": {}}

    state = {"input": "hidden", "output": "next_hidden", "shape": [1, 1], "dtype": "float32", "initial": 0.5}
    return {
        "inputs": [tensor("features", 1, 2, 2), tensor("hidden", 1, 1)],
        "outputs": [tensor("logits", 1, 1), tensor("next_hidden", 1, 1)],
        "stream": {"input": "features", "axis": 1, "frames": 2, "states": [state]},
    }


def bundle(folder: Path) -> None:
    """The golden bundle with a picture in which every wrong preprocessing shows; its own is of one colour."""
    source = GOLDEN / "bundle"
    shutil.copytree(source, folder)
    shutil.rmtree(folder / "golden")
    manifest = Bundle.load(source).manifest
    assert isinstance(manifest.preprocess, ImagePreprocess)
    spec = manifest.preprocess
    pixels = generated_pixels(11, 17, 23)
    encoded = b"P6 23 17 255\n" + pixels.tobytes()  # no compression, whose bytes differ between libraries
    logits = np.array([[0.5, 2.5, -1.25]], np.float32)
    outputs = tuple(
        m.GoldenOutput(
            target=target,
            scheme=scheme,
            outputs=(write_tensor(folder, f"golden/s0.{target}.{scheme}.scores.bin", "scores", logits),),
            max_abs_error=error,
        )
        for target, scheme, error in (("xnnpack", "fp32", 0.001), ("xnnpack", "int8", 0.1), ("coreml", "fp16", 0.01))
    )
    sample = m.GoldenSample(
        id="s0",
        label=1,
        encoded=write_file(folder, "golden/s0.ppm", encoded),
        pixels=write_tensor(folder, "golden/s0.pixels.bin", "pixels", pixels),
        inputs=(write_tensor(folder, "golden/s0.image.bin", "image", normalize(to_pixels(pixels, spec), spec)),),
        input_max_abs_error=1e-6,
        outputs=outputs,
    )
    write_manifest(folder, manifest.model_copy(update={"golden": (sample,)}))
    for path in folder.iterdir():
        if path.suffix in _LEFT_OUT or path.name == "report.json":
            path.unlink()


def _device_bench(folder: Path) -> dict[str, Any]:
    """What BenchmarkReportTests.swift must write."""
    manifest = Bundle.load(folder, check=False).manifest
    artifact = next(one for one in manifest.artifacts if one.runtime == "executorch")
    return {
        "format": "mobilekit-device-bench",
        "version": 1,
        "device": {
            "maker": "Apple",
            "model": "iPhone15,2",
            "system": "iOS",
            "system_version": "17.4",
            "processor": "arm64e",
            "cores": 6,
            "memory_bytes": 6_000_000_000,
        },
        "app": {"runtime": "executorch", "runtime_version": "1.5.1", "app_version": "1.0"},
        "bundle": {
            "model": manifest.model.name,
            "created": manifest.created,
            "bundle_sha256": hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest(),
        },
        "results": [
            {
                "target": artifact.target,
                "scheme": artifact.scheme,
                "file": artifact.file,
                "sha256": artifact.sha256,
                "threads": 2,
                "batch": 1,
                "warmup": 3,
                "n": 5,
                "median_ms": 3.0,
                "p90_ms": 4.6,
                "min_ms": 1.0,
                "iqr_ms": 2.0,
                "load_ms": 7.5,
                "peak_memory_bytes": None,
            }
        ],
        "taken": "2026-11-22T15:00:00Z",
    }


def _numbers(array: NDArray[np.uint8]) -> dict[str, Any]:
    return {"shape": list(array.shape), "values": array.ravel().tolist()}


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
