"""Golden vectors: a handful of test samples all the way from the encoded image to every artifact's outputs.

What another implementation may be off by is stated with each: preprocessing is float32 arithmetic on equal pixels;
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
from mobilekit.runners import Array
from mobilekit.spec import TensorSpec

COUNT = 5
INPUT_TOLERANCE = 1e-6
OUTPUT_TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2, "int8": 0.1}
"""Of the largest output of any golden sample. int8: a handful of quantization steps of 1/255 of the range."""
_ENCODED_SUFFIX = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"RIFF": "webp", b"BM": "bmp"}

OutputsByArtifact = Mapping[tuple[str, str], Sequence[Sequence[Array]]]


def write_golden(
    folder: Path,
    samples: Samples,
    inputs: Sequence[TensorSpec],
    artifacts: Sequence[Artifact],
    outputs: OutputsByArtifact,
) -> tuple[GoldenSample, ...]:
    """Write the first samples of the test set and what each executed artifact answered. Returns their entries."""
    count = min(COUNT, len(samples))
    executed = [(one, outputs[one.target, one.scheme]) for one in artifacts if (one.target, one.scheme) in outputs]
    peaks = {
        (one.target, one.scheme): max(float(np.abs(array).max(initial=0)) for row in rows[:count] for array in row)
        for one, rows in executed
    }
    golden = []
    for index in range(count):
        place = f"golden/{index:03d}"
        encoded, pixels = _image(folder, place, samples, index)
        golden.append(
            GoldenSample(
                id=samples.ids[index],
                label=int(samples.labels[index]) if samples.labels is not None else None,
                encoded=encoded,
                pixels=pixels,
                inputs=tuple(
                    write_tensor(folder, f"{place}/input.{spec.name}.bin", spec.name, array)
                    for spec, array in zip(inputs, samples.one(index), strict=True)
                ),
                input_max_abs_error=INPUT_TOLERANCE if pixels is not None else 0.0,
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


def _png(pixels: Array) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
