"""spoken-words: ten words that espeak-ng speaks on first use, 3,600 clips to train on and 720 to test. No download.

Each clip is one second at 16 kHz: a word by one voice at a random speed, pitch and place, with white, pink or brown
noise, mains hum or babble of other clips 5 to 30 dB below it. Test has accents and variants that train never hears.
All that is random comes from one seed; the card beside the clips records it, the voices and the program's version.
It is synthetic speech: what is learnt from it is not yet what people say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mobilekit.data.base import Dataset, Request
from mobilekit.data.espeak import require_espeak, say
from mobilekit.data.folder import SOUNDS, open_folder
from mobilekit.data.noise import Doubles, NoiseKind, babble, coloured, hum, mixed
from mobilekit.data.sampling import uniform
from mobilekit.data.speech_commands import KEYWORDS
from mobilekit.data.torchvision_sets import data_root
from mobilekit.environment import usable_cores
from mobilekit.errors import OutputExists
from mobilekit.files import sha256, staged_folder, write_atomically
from mobilekit.preprocess import encode_wav, resample_sound
from mobilekit.progress import Progress

WORDS = KEYWORDS
FOLDER, CARD, VERSION = "spoken-words-1", "card.json", 1
RATE = CLIP = 16_000
SEED = 0
NOISES: tuple[NoiseKind, ...] = ("white", "pink", "brown", "hum", "babble")
_SPEED, _PITCH, _SNR_DB, _LEVEL_DB = (110, 230), (15, 85), (5.0, 30.0), (-18.0, -1.0)
_SILENCE = 0.01  # of the peak: where a word begins and ends
_BABBLERS = 4


@dataclass(frozen=True)
class Cast:
    """Who speaks in a split: every accent with every variant, each word `times` times."""

    accents: tuple[str, ...]
    variants: tuple[str, ...]
    times: int

    @property
    def voices(self) -> tuple[str, ...]:
        return tuple(f"{accent}+{variant}" for accent in self.accents for variant in self.variants)


CASTS = {
    "train": Cast(
        ("en-us", "en-gb", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029"),
        ("m1", "m2", "m3", "m4", "m5", "m6", "f1", "f2", "f3", "klatt", "klatt2", "klatt3", "croak", "adam", "Alex",
         "Alicia", "Andrea", "Annie", "antonio", "belinda", "benjamin", "caleb", "david", "Denis", "ed", "Gene",
         "Jacky", "john", "Lee", "linda", "Marco", "max", "pablo", "paul", "victor", "zac"),
        2,
    ),
    "test": Cast(
        ("en-gb-scotland", "en-gb-x-gbclan"),
        ("m7", "m8", "f4", "f5", "klatt4", "Andy", "steph", "Michael", "aunty"),
        4,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """One clip as it is planned."""

    split: Literal["train", "test"]
    word: str
    voice: str
    number: int
    words_per_minute: int
    pitch: int
    noise: NoiseKind
    snr_db: float
    level_db: float
    place: float

    @property
    def file(self) -> str:
        return f"{self.split}/{self.word}/{self.voice}_nohash_{self.number}.wav"


def open_spoken_words(request: Request) -> Dataset:
    """The clips, spoken first where they are not there yet. Raises SetupError, StorageError, DataError."""
    folder = (request.root or data_root()) / FOLDER
    if not (folder / CARD).is_file():
        make_spoken_words(folder, plan(CASTS), request.progress)
    return open_folder(Request(request.name, "", None, SEED, request.labels_over(WORDS)), folder, SOUNDS)


def plan(casts: dict[str, Cast]) -> tuple[Clip, ...]:
    """Every clip of all splits, the same for the same casts."""
    return tuple(
        _planned(split, word, voice, number)
        for split, cast in casts.items()
        for word in WORDS
        for voice in cast.voices
        for number in range(cast.times)
    )


def _planned(split: str, word: str, voice: str, number: int) -> Clip:
    drawn = uniform((6,), SEED, f"spoken-words {split} {word} {voice} {number}").tolist()

    def between(bounds: tuple[float, float], at: float) -> float:
        return bounds[0] + (bounds[1] - bounds[0]) * at

    return Clip(
        split=split,  # type: ignore[arg-type]
        word=word,
        voice=voice,
        number=number,
        words_per_minute=round(between(_SPEED, drawn[0])),
        pitch=round(between(_PITCH, drawn[1])),
        noise=NOISES[int(drawn[2] * len(NOISES))],
        snr_db=round(between(_SNR_DB, drawn[3]), 2),
        level_db=round(between(_LEVEL_DB, drawn[4]), 2),
        place=round(drawn[5], 4),
    )


def make_spoken_words(folder: Path, clips: tuple[Clip, ...], progress: Progress) -> None:
    """Speak, mix and write all clips into `folder`, which appears whole or not at all.

    Raises SetupError without espeak-ng, StorageError.
    """
    version = require_espeak(clip.voice for clip in clips)
    try:
        with staged_folder(folder) as staging:
            for split in ("train", "test"):
                own = [clip for clip in clips if clip.split == split]
                with progress.task(f"speaking {FOLDER} ({split}), once", total=len(own)) as task:
                    spoken = []
                    for word in _spoken(own):
                        spoken.append(word)
                        task.advance()
                with progress.task(f"mixing noise into {FOLDER} ({split})", total=len(own)) as task:
                    for index, clip in enumerate(own):
                        _write(staging / clip.file, _mixed(clip, index, spoken))
                        task.advance()
            write_atomically(staging / CARD, _card(staging, clips, version))
    except OutputExists:
        if not (folder / CARD).is_file():  # else another process has spoken them meanwhile
            raise


def _spoken(clips: Iterable[Clip]) -> Iterator[Doubles]:
    """Each clip's word, float64 (n,), n <= CLIP: at RATE, without the silence around it."""
    pool = ThreadPoolExecutor(max_workers=max(1, min(8, usable_cores())))
    try:
        yield from pool.map(_word, clips)
    finally:
        pool.shutdown(cancel_futures=True)


def _word(clip: Clip) -> Doubles:
    samples, rate = say(clip.word, clip.voice, words_per_minute=clip.words_per_minute, pitch=clip.pitch)
    sound = samples.astype(np.float64) / 32768
    loud = np.flatnonzero(np.abs(sound) > _SILENCE * np.abs(sound).max(initial=0))
    if len(loud):
        sound = sound[loud[0] : loud[-1] + 1]
    return resample_sound(sound, rate, RATE, name=clip.file, most=CLIP)


def _mixed(clip: Clip, index: int, spoken: list[Doubles]) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """int16 (CLIP,): the word somewhere in the second, with noise, its peak at `level_db` of full scale."""
    speech, purpose = spoken[index], f"spoken-words noise {clip.file}"
    if clip.noise == "babble":
        others = (uniform((_BABBLERS,), SEED, f"{purpose} who") * len(spoken)).astype(int).tolist()
        noise = babble([spoken[other] for other in others], CLIP, SEED, purpose)
    elif clip.noise == "hum":
        noise = hum(CLIP, RATE, SEED, purpose)
    else:
        noise = coloured(clip.noise, CLIP, SEED, purpose)
    total = mixed(speech, noise, int(clip.place * (CLIP - len(speech))), clip.snr_db)
    scaled = total / np.abs(total).max() * 10 ** (clip.level_db / 20) * 32767
    rounded: np.ndarray[tuple[int], np.dtype[np.int16]] = np.rint(scaled).astype(np.int16)
    return rounded


def _write(path: Path, samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_wav(samples, RATE))


def _card(folder: Path, clips: tuple[Clip, ...], espeak: str) -> str:
    """What the set is and what it was made with, for whoever wonders later."""
    content = {
        "version": VERSION,
        "espeak_ng": espeak,
        "seed": SEED,
        "rate": RATE,
        "words": WORDS,
        "sha256": {split: sha256(folder / split) for split in ("train", "test")},
        "clips": {clip.file: {k: v for k, v in asdict(clip).items() if k not in ("split", "word")} for clip in clips},
    }
    return json.dumps(content, indent=1) + "\n"
