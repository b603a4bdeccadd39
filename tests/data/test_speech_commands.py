"""Speech Commands: a miniature of the archive, unpacked by torchvision; and no network."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from mobilekit.data import open_dataset, speech_commands
from mobilekit.data.speech_commands import ARCHIVE, FOLDER, KEYWORDS
from mobilekit.errors import DataError, DownloadError
from mobilekit.preprocess import encode_wav

WORDS = (*KEYWORDS, "bed", "zero")


def contents() -> dict[str, bytes]:
    """Two speakers, of whom b is in the official test list."""
    wav = encode_wav(np.arange(-50, 50, dtype=np.int16), 16_000)
    files = {f"./{word}/{who}_nohash_{n}.wav": wav for word in WORDS for who in "ab" for n in range(2)}
    listed = "".join(f"{word}/b_nohash_{n}.wav\n" for word in WORDS for n in range(2)).encode()
    return {**files, "./testing_list.txt": listed, "./validation_list.txt": b"", "./_background_noise_/x.wav": wav}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the archive put there by hand."""
    with tarfile.open(tmp_path / ARCHIVE, "w:gz") as archive:
        for name, content in contents().items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    digest = hashlib.md5((tmp_path / ARCHIVE).read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setattr(speech_commands, "MD5", digest)
    return tmp_path


@pytest.mark.slow
def test_the_official_split_of_ten_keywords_and_of_all(root: Path) -> None:
    found = open_dataset("speech-commands", root=root)
    assert (found.kind, found.labels) == ("audio", KEYWORDS)
    for which, who in (("train", "a"), ("test", "b")):
        split = found.split(which)  # type: ignore[arg-type]
        assert {split.id_of(i).split("/")[1].split("_")[0] for i in range(len(split))} == {who} and len(split) == 20
        assert [split.id_of(i).split("/")[0] for i in range(20)] == [KEYWORDS[n] for n in split.labels_of()]  # type: ignore[union-attr]
    everything = open_dataset("speech-commands-35", root=root)
    assert everything.labels == tuple(sorted(WORDS)) and len(everything.split("test")) == 24
    assert open_dataset("speech-commands", root=root, labels=("x", *KEYWORDS)).labels == ("x", *KEYWORDS)
    (root / FOLDER / "yes" / "a_nohash_0.wav").unlink()
    (root / FOLDER / "yes" / "a_nohash_1.wav").unlink()
    with pytest.raises(DataError, match="yes is not in both splits") as caught:
        open_dataset("speech-commands", root=root)
    assert "the next run unpacks it again" in str(caught.value.hint)


@pytest.mark.slow
def test_without_network_it_says_where_to_put_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_commands, "URL", "http://127.0.0.1:9/none/speech_commands_v0.02.tar.gz")
    with pytest.raises(DownloadError, match="speech-commands could not be downloaded") as caught:
        open_dataset("speech-commands", root=tmp_path)
    assert str(tmp_path.resolve()) in str(caught.value.hint) and ARCHIVE in str(caught.value.hint)
    assert not (tmp_path / FOLDER).exists()
