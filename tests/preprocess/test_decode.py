"""Decoding: orientation, colour modes, and everything that must be refused by name."""

from __future__ import annotations

import io
import logging
import struct
import threading
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from mobilekit.errors import DataError, ExitCode
from mobilekit.preprocess import decode_image
from mobilekit.preprocess.decode import FORMATS
from mobilekit.spec.image import MAX_PIXELS, MAX_SIDE, ImagePreprocess

SPEC = ImagePreprocess()
AS_STORED = ImagePreprocess(exif_orientation=False)
COLOUR = np.random.default_rng(4).integers(0, 256, (13, 17, 3), dtype=np.uint8)


def encoded(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(stream, kind, **options)
    return stream.getvalue()


def oriented(value: Any) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def png(width: int, height: int, depth: int, colour: int, data: bytes) -> bytes:
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
        (b"IDAT", data),
        (b"IEND", b""),
    ]
    body = [struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("value", range(1, 9))
def test_turns_upright_as_pillow_does(kind: str, value: int) -> None:
    data = encoded(COLOUR, kind, exif=oriented(value))
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    result = decode_image(data, SPEC, name="photo")
    np.testing.assert_array_equal(result, expected)
    assert result.shape == ((17, 13, 3) if value >= 5 else (13, 17, 3))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("value", range(1, 9))
def test_leaves_the_stored_order_when_asked(kind: str, value: int) -> None:
    plain = decode_image(encoded(COLOUR, kind), SPEC, name="photo")
    turned = decode_image(encoded(COLOUR, kind, exif=oriented(value)), AS_STORED, name="photo")
    np.testing.assert_array_equal(turned, plain)


@pytest.mark.parametrize(
    "exif", [oriented(0), oriented(9), oriented(6).tobytes()[:20], b"Exif\0\0rubbish", b"Exif\0\0II*\0\xff\xff\xff\xff"]
)
def test_a_senseless_orientation_is_none(exif: Any) -> None:
    result = decode_image(encoded(COLOUR, "PNG", exif=exif), SPEC, name="photo")
    np.testing.assert_array_equal(result, COLOUR)


def test_result_is_plain_writable_memory() -> None:
    for value in (1, 6):
        result = decode_image(encoded(COLOUR, exif=oriented(value)), SPEC, name="photo")
        assert result.dtype == np.uint8
        assert result.flags.c_contiguous and result.flags.writeable


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})])
def test_alpha_is_dropped_not_blended(kind: str, options: dict[str, Any]) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (6, 7, 4), dtype=np.uint8)
    pixels[0, :, 3] = 0
    np.testing.assert_array_equal(decode_image(encoded(pixels, kind, **options), SPEC, name="a"), pixels[..., :3])


def test_grey_palette_and_one_bit() -> None:
    grey = COLOUR[..., 0]
    np.testing.assert_array_equal(decode_image(encoded(grey), SPEC, name="a"), np.stack([grey] * 3, axis=-1))
    grey_alpha = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(COLOUR[..., 1])])
    np.testing.assert_array_equal(decode_image(encoded(grey_alpha), SPEC, name="a"), np.stack([grey] * 3, axis=-1))
    bits = Image.fromarray(grey > 127)
    expected = np.where(grey > 127, 255, 0)[..., None].repeat(3, axis=2)
    np.testing.assert_array_equal(decode_image(encoded(bits), SPEC, name="a"), expected)
    palette = Image.new("P", (2, 1))
    palette.putpalette([1, 2, 3, 200, 100, 50])
    palette.putpixel((1, 0), 1)
    for options in ({}, {"transparency": b"\x00\x10"}, {"transparency": 1}):
        result = decode_image(encoded(palette, **options), SPEC, name="a")
        np.testing.assert_array_equal(result, [[[1, 2, 3], [200, 100, 50]]])


def test_sixteen_bits_give_their_high_byte() -> None:
    values = np.array([[0, 255, 256, 0x1234], [0x7FFF, 0x8000, 0xFEFF, 0xFFFF]], dtype=np.uint16)
    expected = (values >> 8)[..., None].repeat(3, axis=2)
    np.testing.assert_array_equal(decode_image(encoded(values, "PNG"), SPEC, name="a"), expected)
    np.testing.assert_array_equal(decode_image(encoded(values, "TIFF"), SPEC, name="a"), expected)
    pgm = b"P5 4 2 65535\n" + values.astype(">u2").tobytes()
    np.testing.assert_array_equal(decode_image(pgm, SPEC, name="a"), expected)
    colour = np.random.default_rng(6).integers(0, 65536, (3, 4, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colour)
    np.testing.assert_array_equal(decode_image(png(4, 3, 16, 2, zlib.compress(rows)), SPEC, name="a"), colour >> 8)


def test_cmyk_by_the_stated_formula() -> None:
    ink = np.random.default_rng(7).integers(0, 256, (5, 6, 4), dtype=np.uint8)
    result = decode_image(encoded(Image.fromarray(ink, mode="CMYK"), "TIFF"), SPEC, name="a")
    rest = 255 - ink[..., 3:].astype(int)
    product = ink[..., :3] * rest
    expected = rest - (((product + 128 >> 8) + product + 128) >> 8)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_refuses_what_has_no_8_bit_meaning(mode: str) -> None:
    with pytest.raises(DataError, match=f"scan.tif: colour mode '{mode}'"):
        decode_image(encoded(Image.new(mode, (3, 3)), "TIFF"), SPEC, name="scan.tif")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello, this is text", "not a whole image of a known kind"),
        (b"\xff\xd8\xff", "not a whole image of a known kind"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a whole image of a known kind"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "not a whole image|cannot be decoded"),
        (encoded(COLOUR, "JPEG")[:-40], "truncated"),
        (encoded(COLOUR, "PNG")[:-12], "truncated: the PNG file has no end"),
    ],
)
def test_refuses_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=rf"^folder/7\.jpg: .*({reason})") as caught:
        decode_image(data, SPEC, name="folder/7.jpg")
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.hint


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_no_truncated_file_passes(kind: str, lenient: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    data = encoded(COLOUR, kind)
    whole = decode_image(data, SPEC, name="a")
    # Pillow does not ask for the bytes after the last pixel of these two: a terminator, and padding.
    spare = {"GIF": 2, "BMP": 3}.get(kind, 0)
    for length in range(len(data)):
        try:
            result = decode_image(data[:length], SPEC, name="a")
        except DataError:
            continue
        assert len(data) - length <= spare, f"{length} of {len(data)} bytes were accepted"
        np.testing.assert_array_equal(result, whole)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is lenient


@pytest.mark.parametrize(
    ("width", "height"), [(MAX_PIXELS // 1024 + 1, 1024), (20_000, 10_000), (60_000, 60_000), (MAX_SIDE + 1, 1)]
)
def test_refuses_a_decompression_bomb_before_decoding(width: int, height: int) -> None:
    for data in (png(width, height, 8, 2, zlib.compress(b"\0")), b"P6 %d %d 255\n\0" % (width, height)):
        with pytest.raises(DataError, match=r"bomb.png: .*pixels"):
            decode_image(data, SPEC, name="bomb.png")


def test_pillow_s_bomb_warning_does_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 150)  # COLOUR has 221: between the warning and the error.
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        decode_image(encoded(COLOUR), SPEC, name="a")
        assert warnings.filters[0][0] == "always"
    assert not seen
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(DataError, match="far more than"):
        decode_image(encoded(COLOUR), SPEC, name="a")


def test_libraries_keep_quiet(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    broken = bytearray(encoded(COLOUR, "TIFF", compression="tiff_deflate"))
    broken[20] ^= 255
    samples = bytearray(encoded(COLOUR, "TIFF"))
    place = samples.find(struct.pack("<HHI", 277, 3, 1))
    assert place > 0
    samples[place + 8] = 200
    for data in (broken, samples):
        with pytest.raises(DataError):
            decode_image(bytes(data), SPEC, name="a.tif")
    captured = capfd.readouterr()
    assert (captured.out, captured.err, caplog.records) == ("", "", [])
    assert logging.getLogger("PIL").level == logging.NOTSET


SEEDS = [
    encoded(COLOUR, "JPEG", exif=oriented(6)),
    encoded(COLOUR, "JPEG", progressive=True),
    encoded(COLOUR, "PNG", exif=oriented(3)),
    encoded(Image.fromarray(COLOUR).quantize(16), "GIF"),
    encoded(COLOUR, "WEBP"),
    encoded(COLOUR, "TIFF", compression="tiff_lzw"),
    encoded(COLOUR, "BMP"),
]


@settings(max_examples=400)
@given(
    data=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_damaged_files_are_decoded_or_refused(data: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    try:
        result = decode_image(bytes(damaged), SPEC, name="damaged")
    except DataError as error:
        assert error.message.startswith("damaged: ")
    else:
        assert result.ndim == 3 and result.shape[2] == 3


@settings(max_examples=200)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    try:
        decode_image(data, SPEC, name="noise")
    except DataError as error:
        assert error.message.startswith("noise: ")


def test_threads_leave_the_process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    before = list(warnings.filters)
    files = [encoded(COLOUR, "TIFF"), encoded(COLOUR, "PNG"), encoded(COLOUR, "JPEG")[:-40]]
    refused: list[str] = []

    def work() -> None:
        for turn in range(30):
            try:
                decode_image(files[turn % 3], SPEC, name="a")
            except DataError as error:
                refused.append(error.message)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 40
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True
    assert list(warnings.filters) == before
