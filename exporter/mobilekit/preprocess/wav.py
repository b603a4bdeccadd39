"""WAV: RIFF/WAVE bytes -> samples, and back. Refuses, by name, whatever is not a whole file of a known kind.

The standard library reads no floats (and no WAVE_FORMAT_EXTENSIBLE before Python 3.12), and SciPy takes headers that
contradict themselves; a file that is fed to a model is either understood whole or refused.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mobilekit.errors import DataError

RATES = (4_000, 192_000)
"""The lowest and the highest sampling rate that is read, in Hz."""
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_SCALES = {8: 2.0**7, 16: 2.0**15, 24: 2.0**23, 32: 2.0**31}
_COMPRESSED = {2: "ADPCM", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 49: "GSM 6.10", 80: "MPEG", 85: "MP3"}
_HINT = "save it as 16-bit PCM: ffmpeg -i FILE -c:a pcm_s16le NEW.wav"


@dataclass(frozen=True, eq=False)
class Wav:
    """`samples` is float64 (n, channels): whole numbers divided by 2^(bits - 1), floats as they are."""

    rate: int
    samples: NDArray[np.float64]


@dataclass(frozen=True)
class _Format:
    tag: int
    channels: int
    rate: int
    align: int
    bits: int


def read_wav(encoded: bytes, *, name: str, most_seconds: float | None = None) -> Wav:
    """Decode PCM of 8, 16, 24 or 32 bits or floats of 32 or 64 bits, also as WAVE_FORMAT_EXTENSIBLE.

    Chunks other than `fmt ` and the first `data` are passed over, and so is what follows the latter. `most_seconds`
    leaves what comes later undecoded. Raises DataError naming `name` for everything else: another format, a truncated
    or empty file, a header that contradicts itself, NaN.
    """
    try:
        format_, data = _chunks(encoded)
        _check(format_, len(data))
        if most_seconds is not None:
            data = data[: (int(most_seconds * format_.rate) + 1) * format_.align]
        samples = _decoded(data, format_).reshape(-1, format_.channels)
        if not np.isfinite(samples).all():
            raise ValueError("it holds NaN or infinity")
    except ValueError as error:
        raise DataError(f"{name}: not a WAV file that can be read: {error}", hint=_HINT) from None
    return Wav(format_.rate, samples)


def encode_wav(samples: NDArray[np.int16] | NDArray[np.float32], rate: int) -> bytes:
    """int16 or float32 (n,), mono -> the bytes of a WAV file that holds exactly these."""
    tag = _FLOAT if samples.dtype.kind == "f" else _PCM
    size = samples.dtype.itemsize
    data = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    header = struct.pack("<HHIIHH", tag, 1, rate, rate * size, size, 8 * size)
    padded = data + b"\0" * (len(data) % 2)
    body = b"WAVE" + _chunk(b"fmt ", header) + b"data" + struct.pack("<I", len(data)) + padded
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body


def _chunks(encoded: bytes) -> tuple[_Format, bytes]:
    """The format and the sound's bytes. Raises ValueError saying what is wrong."""
    if not encoded:
        raise ValueError("it is empty")
    if encoded[:4] != b"RIFF" or encoded[8:12] != b"WAVE":
        raise ValueError("it does not begin with RIFF … WAVE")
    position, format_ = 12, None
    while position + 8 <= len(encoded):
        kind = encoded[position : position + 4]
        (size,) = struct.unpack_from("<I", encoded, position + 4)
        there = len(encoded) - position - 8
        if size > there:
            raise ValueError(f"truncated: its chunk {kind!r} has {there:,} of {size:,} bytes")
        body = encoded[position + 8 : position + 8 + size]
        if kind == b"fmt ":
            format_ = _format(body)
        elif kind == b"data":
            if format_ is None:
                raise ValueError("its sound comes before its format")
            return format_, body
        position += 8 + size + size % 2
    raise ValueError("truncated: it holds no sound")


def _format(body: bytes) -> _Format:
    if len(body) < 16:
        raise ValueError(f"its format chunk has {len(body)} bytes, at least 16 needed")
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE:
        if len(body) < 40 or body[26:40] != _GUID_TAIL:
            raise ValueError("its extensible format is of an unknown kind")
        (tag,) = struct.unpack_from("<H", body, 24)
    return _Format(tag, channels, rate, align, bits)


def _check(format_: _Format, data: int) -> None:
    known = (format_.tag == _PCM and format_.bits in _SCALES) or (format_.tag == _FLOAT and format_.bits in (32, 64))
    if not known:
        kind = {_PCM: "PCM", _FLOAT: "floats"}.get(format_.tag, _COMPRESSED.get(format_.tag, f"format {format_.tag}"))
        raise ValueError(f"{kind} of {format_.bits} bits; PCM of 8, 16, 24, 32 and floats of 32, 64 bits are read")
    if not format_.channels or format_.align != format_.channels * format_.bits // 8:
        raise ValueError(f"{format_.channels} channels of {format_.bits} bits in {format_.align} bytes")
    if not RATES[0] <= format_.rate <= RATES[1]:
        raise ValueError(f"its sampling rate is {format_.rate:,} Hz; {RATES[0]:,} to {RATES[1]:,} Hz are read")
    if data == 0 or data % format_.align:
        raise ValueError("it holds no sample" if data == 0 else "its sound ends in the middle of a sample")


def _decoded(data: bytes, format_: _Format) -> NDArray[np.float64]:
    if format_.tag == _FLOAT:
        return np.frombuffer(data, f"<f{format_.bits // 8}").astype(np.float64)
    if format_.bits == 8:
        values = np.frombuffer(data, np.uint8).astype(np.float64) - 128.0
    elif format_.bits == 24:  # as the upper three bytes of 32 bits, so that the sign comes with them
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        values = (wide.view("<i4")[:, 0] >> 8).astype(np.float64)
    else:
        values = np.frombuffer(data, f"<i{format_.bits // 8}").astype(np.float64)
    scaled: NDArray[np.float64] = values / _SCALES[format_.bits]
    return scaled
