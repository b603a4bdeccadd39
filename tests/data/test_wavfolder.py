"""WAV files in folders: layouts as for images, and nobody who is heard in both splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.data import materialize, open_dataset, subset
from mobilekit.data.sampling import held_out
from mobilekit.data.speakers import held_out_speakers, speaker_of
from mobilekit.errors import DataError, SpecError
from mobilekit.preprocess import encode_wav, preprocess_audio
from mobilekit.spec import AudioPreprocess, TensorSpec

SPEC = AudioPreprocess(clip_samples=400, window_samples=200, hop_samples=100, fft_size=256, mels=8, fmin=60.0)
INPUT = (TensorSpec(name="features", shape=(1, 3, 8)),)


def write(folder: Path, names: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        sound = np.random.default_rng(index).integers(-9000, 9000, 300 + 40 * index).astype(np.int16)
        (folder / name).write_bytes(encode_wav(sound, 16_000))


def test_splits_as_they_stand(tmp_path: Path) -> None:
    for part, speakers in (("train", "ab"), ("test", "cd")):
        for word in ("no", "yes"):
            write(tmp_path / part / word, [f"{who}_nohash_{n}.wav" for who in speakers for n in range(2)])
    found = open_dataset(f"wavfolder:{tmp_path}")
    assert (found.kind, found.labels) == ("audio", ("no", "yes"))
    assert (len(found.split("train")), len(found.split("test"))) == (8, 8)
    assert found.split("test").id_of(0) == "test/no/c_nohash_0.wav"
    samples = materialize(subset(found.split("test"), None, seed=0), INPUT, SPEC)
    assert samples.inputs[0].shape == (8, 3, 8) and samples.labels is not None
    assert (samples.one(5)[0] == preprocess_audio(samples.encoded(5) or b"", SPEC, name="5")).all()
    assert samples.waveform(5).shape == (400,) and samples.pixels(5) is None  # type: ignore[union-attr]


def test_a_speaker_in_both_folders_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train" / "no", ["a_nohash_0.wav", "b_nohash_0.wav"])
    write(tmp_path / "test" / "no", ["b_nohash_1.wav"])
    with pytest.raises(DataError, match=r"1 speaker\(s\) are heard in train and in test: b"):
        open_dataset(f"wavfolder:{tmp_path}")


def test_class_folders_are_split_by_speaker(tmp_path: Path) -> None:
    for word in ("no", "yes", "_background_noise_"):
        write(tmp_path / word, [f"{who}_nohash_{n}.WAV" for who in "abcdefgh" for n in range(3)])
    found = open_dataset(f"wavfolder:{tmp_path}", seed=3)
    heard = [{speaker_of(part.id_of(i)) for i in range(len(part))} for part in map(found.split, ("train", "test"))]
    assert found.labels == ("no", "yes") and not heard[0] & heard[1] and len(heard[1]) == 2
    again = open_dataset(f"wavfolder:{tmp_path}", seed=3).split("test")
    assert [again.id_of(i) for i in range(len(again))] == [found.split("test").id_of(i) for i in range(len(again))]


def test_a_single_speaker_cannot_be_split(tmp_path: Path) -> None:
    write(tmp_path / "no", [f"a_nohash_{n}.wav" for n in range(6)])
    with pytest.raises(DataError, match="no speaker can be held out") as caught:
        open_dataset(f"wavfolder:{tmp_path}")
    assert "train/ and test/" in str(caught.value.hint)


@settings(max_examples=25)
@given(
    clips=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.booleans()), min_size=4, max_size=60),
    seed=st.integers(0, 99),
)
def test_the_rule_holds_for_any_folder(clips: list[tuple[int, int, bool]], seed: int) -> None:
    files = [f"{c}/{f's{who}_nohash_{n}' if named else n}.wav" for n, (c, who, named) in enumerate(clips)]
    labels = np.array([c for c, _, _ in clips])
    try:
        kept, out = held_out_speakers(files, labels, 0.2, seed, "test")
    except DataError:
        return
    assert sorted([*kept, *out]) == list(range(len(files))) and len(out)
    heard = [{speaker_of(files[i]) for i in part} - {None} for part in (kept, out)]
    assert not heard[0] & heard[1]
    assert set(labels[kept]) == set(labels)


def test_without_speakers_it_is_the_split_by_class() -> None:
    files, labels = [f"{n}.wav" for n in range(20)], np.arange(20) % 2
    for mine, plain in zip(
        held_out_speakers(files, labels, 0.2, 5, "x"), held_out(20, labels, 0.2, 5, "x"), strict=True
    ):
        assert (mine == plain).all()


@pytest.mark.parametrize(
    ("file", "speaker"),
    [("yes/0a7c_nohash_12.wav", "0a7c"), ("test/en-us+f1_nohash_0.wav", "en-us+f1"), ("_nohash_1.wav", None),
     ("yes/me_nohash_.wav", None), ("me_nohash_1_loud.wav", None), ("1.wav", None)],
)  # fmt: skip
def test_who_speaks(file: str, speaker: str | None) -> None:
    assert speaker_of(file) == speaker


def test_what_it_refuses(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist") as caught:
        open_dataset(f"wavfolder:{tmp_path / 'x'}")
    assert "flat folder of WAV files" in str(caught.value.hint)
    write(tmp_path / "no", ["a.wav", "b.wav"])
    with pytest.raises(DataError, match="2 WAV files found"):
        open_dataset(f"wavfolder:{tmp_path}")


def test_a_corrupt_file_is_refused_or_left_out(tmp_path: Path) -> None:
    write(tmp_path, [f"{n}.wav" for n in range(6)])
    broken = open_dataset(f"wavfolder:{tmp_path}").split("train").id_of(1)
    (tmp_path / broken).write_bytes((tmp_path / broken).read_bytes()[:-5])
    chosen = subset(open_dataset(f"wavfolder:{tmp_path}").split("train"), None, seed=0)
    with pytest.raises(DataError, match=rf"{broken}: not a WAV file that can be read: truncated"):
        materialize(chosen, INPUT, SPEC)
    samples = materialize(chosen, INPUT, SPEC, corrupt="skip")
    assert samples.skipped == (broken,) and len(samples) == len(chosen) - 1


def test_sounds_are_not_mistaken_for_anything_else(tmp_path: Path) -> None:
    write(tmp_path, [f"{n}.wav" for n in range(4)])
    sounds = subset(open_dataset(f"wavfolder:{tmp_path}").split("train"), 2, seed=0)
    with pytest.raises(SpecError, match="must be tensors, since the model has no preprocessing"):
        materialize(sounds, INPUT, None)
    digits = subset(open_dataset("digits").split("test"), 2, seed=0)
    with pytest.raises(SpecError, match="must be a sound, since the model has audio preprocessing"):
        materialize(digits, INPUT, SPEC)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, [f"{n}.wav" for n in range(4)])
    split = open_dataset(f"wavfolder:{tmp_path}").split("train")
    with (tmp_path / split.id_of(0)).open("wb") as stream:
        stream.truncate(2**30 + 1)  # a hole, which takes no room
    with pytest.raises(DataError, match="larger than 1,073,741,824 bytes"):
        split[0]
