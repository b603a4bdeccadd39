"""spoken-words: the plan, and a small set that is really spoken where espeak-ng is installed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mobilekit.data import espeak, open_dataset, spoken_words
from mobilekit.data.espeak import require_espeak, say
from mobilekit.data.spoken_words import CARD, CASTS, FOLDER, WORDS, Cast, make_spoken_words, plan
from mobilekit.errors import MissingDependency, SetupError, StorageError
from mobilekit.preprocess import read_wav
from mobilekit.progress import SILENT

spoken = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason=f"no espeak-ng: {espeak.INSTALL}")
FEW = {"train": Cast(("en-us",), ("m1", "f1"), 1), "test": Cast(("en-gb-scotland",), ("m7",), 1)}


def test_the_plan_is_large_and_fixed_and_test_has_voices_of_its_own() -> None:
    clips = plan(CASTS)
    assert plan(FEW) == plan(FEW) and len({clip.file for clip in clips}) == len(clips)
    train, test = ([clip for clip in clips if clip.split == which] for which in ("train", "test"))
    assert len(train) >= 2000 and len(test) >= 500
    assert {clip.word for clip in train} == {clip.word for clip in test} == set(WORDS)
    for part in (0, 1):  # neither an accent nor a variant is in both
        assert not {c.voice.split("+")[part] for c in train} & {c.voice.split("+")[part] for c in test}
    assert {clip.noise for clip in test} == set(spoken_words.NOISES)
    assert all(5 <= clip.snr_db <= 30 and 110 <= clip.words_per_minute <= 230 for clip in clips)


@spoken
@pytest.mark.slow
def test_a_small_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken_words, "CASTS", FEW)
    found = open_dataset("spoken-words", root=tmp_path)
    train, test = found.split("train"), found.split("test")
    assert (found.kind, found.labels, len(train), len(test)) == ("audio", WORDS, 20, 10)
    assert test.id_of(0) == "test/down/en-gb-scotland+m7_nohash_0.wav"
    for index in range(len(test)):
        wav = read_wav(test[index].encoded or b"", name="x")
        assert (wav.rate, wav.samples.shape) == (16_000, (16_000, 1))
        assert -18.1 < 20 * np.log10(np.abs(wav.samples).max()) < -0.9
    card = json.loads((tmp_path / FOLDER / CARD).read_text(encoding="utf-8"))
    assert card["espeak_ng"] and card["seed"] == 0 and len(card["clips"]) == 30
    assert card["clips"]["test/yes/en-gb-scotland+m7_nohash_0.wav"]["snr_db"] >= 5
    other = tmp_path / "other" / FOLDER
    make_spoken_words(other, plan(FEW), SILENT)
    assert json.loads((other / CARD).read_text(encoding="utf-8")) == card, "the same bytes again"
    labels = (*reversed(WORDS), "other")
    assert open_dataset("spoken-words", root=tmp_path, labels=labels).labels == labels


@spoken
def test_a_stop_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken_words, "CASTS", FEW)
    heard = []

    def interrupted(*arguments: object, **more: object) -> object:
        heard.append(arguments)
        if len(heard) > 3:
            raise KeyboardInterrupt
        return say(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(spoken_words, "say", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_dataset("spoken-words", root=tmp_path)
    assert list(tmp_path.iterdir()) == [] and len(heard) > 3


@spoken
def test_voices_that_do_not_exist_are_named() -> None:
    with pytest.raises(SetupError, match=r"has no voice en-us\+nobody, xx\+m1\n") as caught:
        require_espeak(["en-us+m1", "xx+m1", "en-us+nobody"])
    assert "apt install espeak-ng" in str(caught.value.hint)
    with pytest.raises(SetupError, match="did not speak 'yes' as xx"):
        say("yes", "xx", words_per_minute=150, pitch=50)


@spoken
def test_a_word_is_sound() -> None:
    samples, rate = say("yes", "en-us+f1", words_per_minute=150, pitch=50)
    assert samples.dtype == np.int16 and rate == 22_050 and 0.2 < len(samples) / rate < 2
    assert np.abs(samples.astype(int)).max() > 1000


def test_without_espeak_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match="espeak-ng is not installed") as caught:
        open_dataset("spoken-words", root=tmp_path / "data")
    assert "brew install espeak-ng" in str(caught.value.hint) and not (tmp_path / "data").exists()


@spoken
def test_a_place_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken_words, "CASTS", FEW)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        open_dataset("spoken-words", root=tmp_path / "file")
