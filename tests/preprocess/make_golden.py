"""Writes tests/golden/preprocess: small images, their choices, and what Pillow makes of them. Run by hand, once.

Uses Pillow and numpy only, nothing of mobilekit, except where Pillow has no answer (antialias false): there the plain
code of docs/preprocessing.md is the source. The files must not change: a change here is a change of the contract.
"""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests/golden/preprocess"
FILTERS = {
    name: Image.Resampling[name.upper()] for name in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
}
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
DEFAULTS = {
    "kind": "image", "exif_orientation": True, "color": "RGB", "resize": None, "crop": None,
    "divisor": 255.0, "mean": [], "std": [], "layout": "NCHW",
}  # fmt: skip
CASES: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "stretch-bilinear": ((7, 9), {"resize": {"size": [4, 5]}, **IMAGENET}),
    "stretch-bicubic-enlarge-bgr-nhwc": ((3, 4),
        {"resize": {"size": [7, 6], "interpolation": "bicubic"}, "color": "BGR", "layout": "NHWC"}),
    "stretch-lanczos-grey": ((12, 10),
        {"resize": {"size": [5, 4], "interpolation": "lanczos"}, "color": "L", "mean": [0.1307], "std": [0.3081]}),
    "stretch-box": ((9, 9), {"resize": {"size": [4, 4], "interpolation": "box"}, "divisor": 127.5, "mean": [1, 1, 1]}),
    "stretch-nearest": ((5, 7), {"resize": {"size": [8, 3], "interpolation": "nearest"}, "divisor": 1}),
    "stretch-bicubic-columns-first": ((40, 4), {"resize": {"size": [5, 3], "interpolation": "bicubic"}}),
    "cover-crop": ((11, 17), {"resize": {"size": [8, 8], "mode": "cover"}, "crop": [5, 7], **IMAGENET}),
    "fit-hamming": ((13, 6), {"resize": {"size": [8, 8], "mode": "fit", "interpolation": "hamming", "pad_value": 114}}),
    "crop-pads": ((3, 10), {"crop": [6, 5]}),
    "no-antialias-bilinear": ((17, 13), {"resize": {"size": [5, 4], "antialias": False}}),
    "no-antialias-bicubic": ((6, 30), {"resize": {"size": [7, 8], "antialias": False, "interpolation": "bicubic"}}),
}  # fmt: skip


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20)
    for name, (shape, choices) in CASES.items():
        image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        spec = DEFAULTS | choices
        if spec["resize"]:
            base = {"mode": "stretch", "interpolation": "bilinear", "antialias": True, "pad_value": 0}
            spec["resize"] = base | spec["resize"]
        pixels = pixels_of(image, spec)
        text = {
            "source": source_of(spec),
            "preprocess": spec,
            "image": array(image),
            "pixels": array(pixels),
            "tensor": array(tensor_of(pixels, spec)),
        }
        write(FOLDER / f"{name}.json", text)
    write(FOLDER / "decode.json", {"source": f"Pillow {PIL.__version__}", "files": decode_cases()})


def source_of(spec: dict[str, Any]) -> str:
    by_hand = spec["resize"] and not spec["resize"]["antialias"]
    return "the plain code of docs/preprocessing.md" if by_hand else f"Pillow {PIL.__version__}"


def pixels_of(image: np.ndarray, spec: dict[str, Any]) -> np.ndarray:
    picture = Image.fromarray(image)
    if spec["color"] == "L":
        picture = picture.convert("L")
    if spec["color"] == "BGR":
        picture = Image.merge("RGB", picture.split()[::-1])
    if spec["resize"]:
        picture = resized(picture, spec["resize"])
    if spec["crop"]:
        height, width = spec["crop"]
        left, top = before(picture.width, width), before(picture.height, height)
        picture = picture.crop((left, top, left + width, top + height))
    pixels = np.asarray(picture)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def before(length: int, wanted: int) -> int:
    """Where a centre crop begins: negative where it pads."""
    return round((length - wanted) / 2) if length >= wanted else -((wanted - length) // 2)


def resized(picture: Image.Image, resize: dict[str, Any]) -> Image.Image:
    (height, width), (h, w) = (picture.height, picture.width), resize["size"]
    size = h, w
    if resize["mode"] == "cover":
        scale = max(h / height, w / width)
        size = (h, int(h * width / height)) if scale == h / height else (int(w * height / width), w)
    if resize["mode"] == "fit":
        scale = min(h / height, w / width)
        size = (h, int(width * scale + 0.5)) if scale == h / height else (int(height * scale + 0.5), w)
    if resize["antialias"]:
        small = picture.resize(size[::-1], FILTERS[resize["interpolation"]])
    else:
        plain = plain_code()
        planes = [
            plain["resampled"](np.asarray(band).tolist(), *size, resize["interpolation"], False)
            for band in picture.split()
        ]
        small = Image.merge(picture.mode, [Image.fromarray(np.array(plane, dtype=np.uint8)) for plane in planes])
    if resize["mode"] != "fit":
        return small
    canvas = Image.new(small.mode, (w, h), (resize["pad_value"],) * 3)
    canvas.paste(small, ((w - small.width) // 2, (h - small.height) // 2))
    return canvas


def plain_code() -> dict[str, Any]:
    text = (ROOT / "docs/preprocessing.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec("\n".join(re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)), names)
    return names


def tensor_of(pixels: np.ndarray, spec: dict[str, Any]) -> np.ndarray:
    channels = pixels.shape[2]
    mean = np.array(spec["mean"] or [0] * channels, dtype=np.float32)
    std = np.array(spec["std"] or [1] * channels, dtype=np.float32)
    tensor = (pixels.astype(np.float32) / np.float32(spec["divisor"]) - mean) / std
    return (tensor.transpose(2, 0, 1) if spec["layout"] == "NCHW" else tensor)[None]


def decode_cases() -> list[dict[str, Any]]:
    rng = np.random.default_rng(21)
    colour = Image.fromarray(rng.integers(0, 256, (2, 3, 3), dtype=np.uint8))
    with_alpha = Image.fromarray(rng.integers(0, 256, (2, 3, 4), dtype=np.uint8))
    cases = [(f"orientation-{value}.png", encoded(colour, exif=exif(value))) for value in range(1, 9)]
    palette = colour.quantize(4)
    cases += [
        ("grey.png", encoded(colour.convert("L"))),
        ("grey-alpha.png", encoded(with_alpha.convert("LA"))),
        ("rgba.png", encoded(with_alpha)),
        ("palette-transparent.png", encoded(palette, transparency=1)),
        ("one-bit.png", encoded(colour.convert("1"))),
        ("rgb.bmp", encoded(colour, "BMP")),
        ("palette.gif", encoded(palette, "GIF")),
        ("rgba-lossless.webp", encoded(with_alpha, "WEBP", lossless=True, exact=True)),
    ]
    files = [
        {"name": name, "base64": base64.b64encode(data).decode(), "pixels": array(rgb(data))} for name, data in cases
    ]
    wide = rng.integers(0, 65536, (2, 3), dtype=np.uint16)
    data = base64.b64encode(encoded(Image.fromarray(wide))).decode()
    files.append({"name": "grey-16-bit.png", "base64": data, "pixels": array(np.stack([wide >> 8] * 3, axis=-1))})
    data16 = rng.integers(0, 65536, (2, 3, 3), dtype=np.uint16)
    data = base64.b64encode(png_16_bit(data16)).decode()
    files.append({"name": "rgb-16-bit.png", "base64": data, "pixels": array(data16 >> 8)})
    return files


def png_16_bit(values: np.ndarray) -> bytes:
    """Pillow cannot write 16-bit colour."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def rgb(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def array(values: np.ndarray) -> dict[str, Any]:
    if values.dtype == np.float32:  # The shortest decimal that reads back as the same float32.
        flat: list[float] | list[int] = [float(str(value)) for value in values.ravel()]
    else:
        flat = [int(value) for value in values.ravel()]
    return {"shape": list(values.shape), "values": flat}


def write(path: Path, content: dict[str, Any]) -> None:
    if isinstance(content.get("files"), list):
        files = ",\n".join(f"    {json.dumps(one)}" for one in content["files"])
        path.write_text(
            f'{{\n  "source": {json.dumps(content["source"])},\n  "files": [\n{files}\n  ]\n}}\n', encoding="utf-8"
        )
        return
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items())
    path.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
