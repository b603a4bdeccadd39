"""WAV files: against SciPy's and the standard library's writers; nothing but DataError for whatever else is given."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import wavfile

from mobilekit.errors import DataError
from mobilekit.preprocess import encode_wav, read_wav

SOUND = (np.arange(24, dtype=np.int16) * 1000 - 9000).reshape(12, 2)


def written(array: np.ndarray, rate: int = 16_000) -> bytes:
    stream = io.BytesIO()
    wavfile.write(stream, rate, array)
    return stream.getvalue()


def by_wave(raw: bytes, width: int, channels: int) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(8000)
        file.writeframes(raw)
    return stream.getvalue()


@settings(max_examples=60)
@given(
    sound=arrays.arrays(
        st.sampled_from([np.uint8, np.int16, np.int32]),
        st.tuples(st.integers(1, 40), st.integers(1, 3)),
    )
)
def test_whole_numbers_by_scipy(sound: np.ndarray) -> None:
    wav = read_wav(written(sound, 44_100), name="x")
    offset, scale = {1: (128, 128), 2: (0, 32768), 4: (0, 2**31)}[sound.dtype.itemsize]
    assert wav.rate == 44_100
    assert (wav.samples == (sound.astype(np.float64) - offset) / scale).all()


@settings(max_examples=40)
@given(values=st.lists(st.integers(-(2**23), 2**23 - 1), min_size=1, max_size=30))
def test_24_bits_by_the_standard_library(values: list[int]) -> None:
    raw = b"".join(value.to_bytes(3, "little", signed=True) for value in values)
    wav = read_wav(by_wave(raw, 3, 1), name="x")
    assert (wav.rate, wav.samples[:, 0].tolist()) == (8000, [value / 2**23 for value in values])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_stay_as_they_are(dtype: str) -> None:
    sound = np.array([0.1, -1.5, 3e-9], dtype)
    assert read_wav(written(sound), name="x").samples[:, 0].tolist() == sound.astype(np.float64).tolist()


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_what_is_written_is_read_by_others_and_by_us(dtype: str) -> None:
    sound = np.array([-7, 0, 30_000], "int16") if dtype == "int16" else np.array([0.25, -1, 0.1], "float32")
    rate, values = wavfile.read(io.BytesIO(encode_wav(sound, 8000)))
    assert (rate, values.dtype, values.tolist()) == (8000, sound.dtype, sound.tolist())
    scale = 32768 if dtype == "int16" else 1
    assert (read_wav(encode_wav(sound, 8000), name="x").samples[:, 0] * scale == sound).all()


def extensible(tag: int, guid_tail: bytes = bytes.fromhex("000000001000800000aa00389b71")) -> bytes:
    body = struct.pack("<HHIIHH", 0xFFFE, 1, 16_000, 32_000, 2, 16) + struct.pack("<HHIH", 22, 16, 4, tag) + guid_tail
    data = np.array([1, -2, 3], "<i2").tobytes()
    chunks = b"fmt " + struct.pack("<I", 40) + body + b"data" + struct.pack("<I", 6) + data
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def test_extensible() -> None:
    assert (read_wav(extensible(1), name="x").samples[:, 0] * 32768).tolist() == [1, -2, 3]
    for bad in (extensible(2), extensible(1, b"\0" * 14)):
        with pytest.raises(DataError, match="x: not a WAV file that can be read"):
            read_wav(bad, name="x")


def test_other_chunks_are_passed_over() -> None:
    plain = written(SOUND)
    odd = plain[:36] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + plain[36:] + b"junk after the sound"
    assert (read_wav(odd, name="x").samples == read_wav(plain, name="x").samples).all()


def test_most_seconds_leaves_the_rest_undecoded() -> None:
    assert len(read_wav(written(np.zeros(8000, np.int16), 8000), name="x", most_seconds=0.5).samples) == 4001


PLAIN = written(SOUND)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (b"", "it is empty"),
        (b"\xff\xd8\xff" * 20, "does not begin with RIFF"),
        (PLAIN[:30], "truncated"),
        (PLAIN[:36], "truncated: it holds no sound"),
        (PLAIN[:-1], "has 47 of 48 bytes"),
        (PLAIN[:40] + b"\xff\xff\xff\xff" + PLAIN[44:], "truncated: its chunk b'data' has 48 of 4,294,967,295"),
        (PLAIN[:40] + struct.pack("<I", 0) + PLAIN[44:], "holds no sample"),
        (PLAIN[:40] + struct.pack("<I", 46) + PLAIN[44:], "middle of a sample"),
        (PLAIN[:22] + b"\0\0" + PLAIN[24:], "0 channels"),
        (PLAIN[:24] + struct.pack("<I", 0) + PLAIN[28:], "rate is 0 Hz"),
        (PLAIN[:34] + struct.pack("<H", 12) + PLAIN[36:], "PCM of 12 bits"),
        (PLAIN[:20] + struct.pack("<H", 85) + PLAIN[22:], "MP3 of 16 bits"),
        (b"RIFX" + PLAIN[4:], "does not begin with RIFF"),
        (written(np.array([0, np.nan], np.float32)), "NaN"),
    ],
)
def test_what_it_refuses(given: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        read_wav(given, name="clip.wav")
    assert "clip.wav" in caught.value.message and caught.value.hint


@settings(max_examples=200)
@given(data=st.data())
def test_damage_is_refused_or_harmless(data: st.DataObject) -> None:
    """Bytes changed and cut anywhere: a DataError, or as many finite samples as the header says."""
    broken = bytearray(PLAIN)
    for at in data.draw(st.lists(st.integers(0, len(PLAIN) - 1), max_size=4)):
        broken[at] = data.draw(st.integers(0, 255))
    given_ = bytes(broken[: data.draw(st.integers(0, len(PLAIN)))]) or bytes(broken)
    try:
        wav = read_wav(given_, name="x")
    except DataError:
        return
    assert wav.samples.size >= 1 and np.isfinite(wav.samples).all()


@settings(max_examples=100)
@given(st.binary(max_size=80).map(lambda tail: b"RIFF\0\0\0\0WAVE" + tail))
def test_random_chunks(encoded: bytes) -> None:
    with pytest.raises(DataError):
        read_wav(encoded, name="x")
