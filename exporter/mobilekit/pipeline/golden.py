"""Golden vectors: a handful of test samples all the way from the encoded image or sound to every artifact's outputs.

What another implementation may be off by is stated with each: preprocessing is arithmetic on equal pixels or samples;
outputs are other kernels' sums, and for int8 other roundings (docs/bundle.md gives the reasons).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mobilekit.bundle.manifest import Artifact, FileEntry, GoldenOutput, GoldenSample, GoldenTensor
from mobilekit.bundle.write import write_file, write_tensor
from mobilekit.data import Samples
from mobilekit.preprocess import encode_wav
from mobilekit.runners import Array
from mobilekit.spec import AudioPreprocess, TensorSpec

DEFAULT_COUNT = 5
INPUT_TOLERANCE = {"image": 1e-6, "audio": 1e-4}
"""Pixels: one rounding to float32. Sound: an FFT, whose sums no two libraries make in one order, and a logarithm."""
OUTPUT_TOLERANCE = {
    "fp32": 1e-4,
    "fp16": 1e-2,
    "int8": 0.1,
    "int8-qat": 0.1,
    "mixed": 0.1,
    "int8-dynamic": 0.1,
    "int8-weight-only": 1e-2,
    "int4-weight-only": 0.1,
    "palettize-4": 1e-2,
    "palettize-6": 1e-2,
}
"""Of the largest output of any golden sample. Integer activations: a handful of quantization steps of 1/255 of the
range. Weights alone: the same weights everywhere, in float16 arithmetic on some machines."""
_ENCODED_SUFFIX = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"RIFF": "webp", b"BM": "bmp"}

OutputsByArtifact = Mapping[tuple[str, str], Sequence[Sequence[Array]]]


def write_golden(
    folder: Path,
    samples: Samples,
    inputs: Sequence[TensorSpec],
    artifacts: Sequence[Artifact],
    outputs: OutputsByArtifact,
    count: int = DEFAULT_COUNT,
) -> tuple[GoldenSample, ...]:
    """Write the first `count` test samples and what each executed artifact answered. Returns their entries."""
    count = min(count, len(samples))
    executed = [(one, outputs[one.target, one.scheme]) for one in artifacts if (one.target, one.scheme) in outputs]
    peaks = {
        (one.target, one.scheme): max(float(np.abs(array).max(initial=0)) for row in rows[:count] for array in row)
        for one, rows in executed
    }
    golden = []
    for index in range(count):
        place = f"golden/{index:03d}"
        encoded, pixels = _image(folder, place, samples, index)
        waveform = None
        if pixels is None:
            encoded, waveform = _sound(folder, place, samples, index)
        golden.append(
            GoldenSample(
                id=samples.ids[index],
                label=int(samples.labels[index]) if samples.labels is not None else None,
                encoded=encoded,
                pixels=pixels,
                waveform=waveform,
                inputs=tuple(
                    write_tensor(folder, f"{place}/input.{spec.name}.bin", spec.name, array)
                    for spec, array in zip(inputs, samples.one(index), strict=True)
                ),
                input_max_abs_error=_input_tolerance(samples) if encoded is not None else 0.0,
                outputs=tuple(
                    GoldenOutput(
                        target=one.target,
                        scheme=one.scheme,
                        outputs=tuple(
                            write_tensor(folder, f"{place}/{one.target}.{one.scheme}.{spec.name}.bin", spec.name, array)
                            for spec, array in zip(one.outputs, rows[index], strict=True)
                        ),
                        max_abs_error=OUTPUT_TOLERANCE.get(one.scheme, 1e-4) * peaks[one.target, one.scheme],
                    )
                    for one, rows in executed
                ),
            )
        )
    return tuple(golden)


def _image(folder: Path, place: str, samples: Samples, index: int) -> tuple[FileEntry | None, GoldenTensor | None]:
    """The image file as it came (array data is written as PNG, which loses nothing) and its decoded pixels."""
    pixels = samples.pixels(index)
    if pixels is None:
        return None, None
    encoded = samples.encoded(index) or _png(pixels)
    suffix = next((name for magic, name in _ENCODED_SUFFIX.items() if encoded.startswith(magic)), "img")
    return (
        write_file(folder, f"{place}/image.{suffix}", encoded),
        write_tensor(folder, f"{place}/pixels.bin", "pixels", pixels),
    )


def _sound(folder: Path, place: str, samples: Samples, index: int) -> tuple[FileEntry | None, GoldenTensor | None]:
    """The WAV file as it came (a waveform is written as one of float32, which loses nothing) and what it decodes to."""
    waveform = samples.waveform(index)
    if waveform is None or not isinstance(samples.preprocess, AudioPreprocess):
        return None, None
    encoded = samples.encoded(index) or encode_wav(waveform, samples.preprocess.sample_rate)
    return (
        write_file(folder, f"{place}/sound.wav", encoded),
        write_tensor(folder, f"{place}/waveform.bin", "waveform", waveform),
    )


def _input_tolerance(samples: Samples) -> float:
    return INPUT_TOLERANCE[samples.preprocess.kind] if samples.preprocess else 0.0


def _png(pixels: Array) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
