from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mobilekit.data import open_dataset
from mobilekit.errors import DataError
from mobilekit.spec import DynamicDim, ImagePreprocess, TensorSpec
from mobilekit.train import TrainingData, load_training_data
from mobilekit.train.data import batches_per_epoch, ordered_batches, place, shuffled_batches
from mobilekit.train.distributed import World

GREY = ImagePreprocess(color="L")
IMAGE = (TensorSpec(name="image", shape=("batch", 1, 8, 8), dynamic={"batch": DynamicDim(max=16)}),)
CPU = torch.device("cpu")


def test_validation_is_carved_from_train_and_never_from_test() -> None:
    digits = open_dataset("digits")
    data = load_training_data(digits, IMAGE, GREY, seed=0)
    assert (len(data.train), len(data.validation), len(data.test)) == (1293, 145, 359)
    parts = [{image.tobytes() for image in part.inputs[0]} for part in (data.train, data.validation, data.test)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert np.bincount(data.validation.labels).min() >= 13, "every class is held back"
    other = load_training_data(digits, IMAGE, GREY, seed=1)
    assert (other.test.inputs[0] == data.test.inputs[0]).all(), "the seed does not touch the test split"
    assert not np.array_equal(other.validation.inputs[0], data.validation.inputs[0])


def test_tensor_data_stays_as_it_is(tmp_path) -> None:  # type: ignore[no-untyped-def]
    x = np.arange(60, dtype=np.float32).reshape(30, 2)
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(30) % 3)
    inputs = (TensorSpec(name="x", shape=(1, 2)),)
    data = load_training_data(open_dataset(f"npz:{tmp_path / 'd.npz'}"), inputs, None, seed=0, test_samples=3)
    assert data.preprocess is None and len(data.test) == 3
    assert data.train.inputs[0].dtype == np.float32 and data.train.inputs[0].shape[1:] == (2,)


def test_refuses_unlabelled_data(tmp_path) -> None:  # type: ignore[no-untyped-def]
    np.savez(tmp_path / "d.npz", x=np.zeros((9, 2), np.float32))
    with pytest.raises(DataError, match="no labels"):
        load_training_data(
            open_dataset(f"npz:{tmp_path / 'd.npz'}"), (TensorSpec(name="x", shape=(1, 2)),), None, seed=0
        )


def test_an_epoch_is_full_batches_each_sample_at_most_once(tiny_data: TrainingData) -> None:
    batches = list(shuffled_batches(place(tiny_data.train, CPU), 16, seed=0, epoch=1))
    assert [len(batch) for batch in batches] == [16] * 4 == [16] * batches_per_epoch(70, 16)
    rows = torch.cat([batch.inputs[0] for batch in batches]).flatten(1)
    assert len(torch.unique(rows, dim=0)) == 64


def test_order_depends_on_seed_and_epoch_alone(tiny_data: TrainingData) -> None:
    def labels(seed: int, epoch: int) -> list[int]:
        drawn = shuffled_batches(place(tiny_data.train, CPU), 16, seed=seed, epoch=epoch)
        return torch.cat([batch.labels for batch in drawn]).tolist()

    assert labels(0, 1) == labels(0, 1)
    assert labels(0, 1) != labels(0, 2) and labels(0, 1) != labels(1, 1)


def test_ordered_batches_leave_nothing_out(tiny_data: TrainingData) -> None:
    batches = list(ordered_batches(place(tiny_data.train, CPU), 32))
    assert [len(batch) for batch in batches] == [32, 32, 6]
    assert torch.cat([batch.labels for batch in batches]).tolist() == tiny_data.train.labels.tolist()


def test_a_batch_larger_than_the_data_is_the_data(tiny_data: TrainingData) -> None:
    assert [len(b) for b in shuffled_batches(place(tiny_data.validation, CPU), 500, seed=0, epoch=1)] == [20]


def test_processes_share_the_batches_that_one_would_take(tiny_data: TrainingData) -> None:
    placed = place(tiny_data.train, CPU)
    together = list(shuffled_batches(placed, 16, seed=0, epoch=3))
    shares = [list(shuffled_batches(placed, 8, seed=0, epoch=3, world=World(rank, 2))) for rank in (0, 1)]
    assert batches_per_epoch(70, 8, World(1, 2)) == len(shares[0]) == len(shares[1]) == len(together)
    for whole, first, second in zip(together, *shares, strict=True):
        assert torch.equal(whole.inputs[0], torch.cat([first.inputs[0], second.inputs[0]]))


def test_processes_score_each_sample_once(tiny_data: TrainingData) -> None:
    placed = place(tiny_data.train, CPU)
    shares = [torch.cat([b.inputs[0] for b in ordered_batches(placed, 16, World(rank, 3))]) for rank in range(3)]
    assert [len(share) for share in shares] == [32, 22, 16]
    assert len(torch.unique(torch.cat(shares).flatten(1), dim=0)) == 70


def test_of_sounds_whole_speakers_are_held_back(tmp_path: Path) -> None:
    from mobilekit.preprocess import encode_wav
    from mobilekit.spec.audio import AudioPreprocess

    rng = np.random.default_rng(0)
    for split, people in (("train", 10), ("test", 2)):
        for word in ("no", "yes"):
            folder = tmp_path / split / word
            folder.mkdir(parents=True)
            for person in range(people):
                sound = rng.uniform(-0.5, 0.5, 1600).astype(np.float32)
                (folder / f"{split}{person}_nohash_0.wav").write_bytes(encode_wav(sound, 16_000))
    audio = AudioPreprocess(clip_samples=1600, window_samples=400, hop_samples=200, fft_size=512, mels=4)
    inputs = (TensorSpec(name="features", shape=(1, audio.frames, 4)),)
    data = load_training_data(open_dataset(f"wavfolder:{tmp_path}"), inputs, audio, seed=0, validation_fraction=0.2)
    assert data.preprocess is None and data.train.inputs[0].shape[1:] == (audio.frames, 4)
    assert (len(data.train), len(data.validation), len(data.test)) == (16, 4, 4)
    assert sorted(data.validation.labels.tolist()) == [0, 0, 1, 1], "both words of two people"
