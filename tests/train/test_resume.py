"""Runs that were stopped: they go on to the same bits, from the newest checkpoint that is whole."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from mobilekit.errors import DataError, ModelError
from mobilekit.model.run import RunCard, load_run_card
from mobilekit.model.weights import read_state_dict
from mobilekit.progress import Task
from mobilekit.spec import TrainSpec
from mobilekit.spec.train import AugmentSpec
from mobilekit.train import TrainingData, train
from mobilekit.train.metrics import highest, read_metrics

MakeModel = Callable[[], nn.Module]
MakeCard = Callable[..., RunCard]


class Stops:
    """A Progress that stops the run at a step, as kill -9 would but for the exception; remembers warnings."""

    def __init__(self, step: int = 10**9) -> None:
        self.step, self.done, self.warnings = step, 0, list[str]()

    @contextlib.contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        yield self

    def advance(self, steps: int = 1) -> None:
        self.done += steps
        if self.done >= self.step:
            raise KeyboardInterrupt

    def say(self, text: str) -> None: ...

    def warn(self, text: str) -> None:
        self.warnings.append(text)


SPECS = {
    "adamw": TrainSpec(epochs=5, batch_size=16, learning_rate=1e-2, augment=AugmentSpec(shift_pixels=1, flip=True)),
    "sgd with average": TrainSpec(
        epochs=5, batch_size=16, optimizer="sgd", learning_rate=0.05, ema_decay=0.9, schedule="cosine"
    ),
    "mixed": TrainSpec(epochs=5, batch_size=16, optimizer="adam", augment=AugmentSpec(mixup=0.2, randaugment=1)),
}


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("step", [2, 9, 18])
def test_the_resumed_run_ends_in_the_same_bits(
    name: str, step: int, tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, card: MakeCard
) -> None:
    spec = SPECS[name]
    whole = train(tiny_model(), tiny_data, spec, tmp_path / "whole", device="cpu", card=card())
    with pytest.raises(KeyboardInterrupt):
        train(tiny_model(), tiny_data, spec, tmp_path / "parts", device="cpu", card=card(), progress=Stops(step))
    parts = train(tiny_model(), tiny_data, spec, tmp_path / "parts", device="cpu", card=card(), resume=True)
    for file in ("best.safetensors", "last.safetensors"):
        assert (whole.folder / file).read_bytes() == (parts.folder / file).read_bytes()
    assert parts.card.test_top1 == whole.card.test_top1 and parts.card.best_epoch == whole.card.best_epoch
    timeless = [
        [line.model_copy(update={"images_per_second": 0, "seconds": 0}) for line in read_metrics(run.folder)]
        for run in (whole, parts)
    ]
    assert timeless[0] == timeless[1] and len(timeless[0]) == 5


def stopped(
    folder: Path, model: nn.Module, data: TrainingData, spec: TrainSpec, card: RunCard, step: int
) -> list[Path]:
    with pytest.raises(KeyboardInterrupt):
        train(model, data, spec, folder, device="cpu", card=card, progress=Stops(step))
    return sorted((folder / "checkpoints").iterdir())


def test_a_damaged_checkpoint_is_passed_over_and_said(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    *_, older, newest = stopped(tmp_path, tiny_model(), tiny_data, tiny_spec, card(), 13)
    content = bytearray(newest.read_bytes())
    content[-3] ^= 1
    newest.write_bytes(content)
    told = Stops()
    done = train(tiny_model(), tiny_data, tiny_spec, tmp_path, device="cpu", card=card(), resume=True, progress=told)
    (warning,) = told.warnings
    assert newest.name in warning and "damaged" in warning and f"going on from {older.name}" in warning
    whole = train(tiny_model(), tiny_data, tiny_spec, tmp_path / "whole", device="cpu", card=card())
    assert done.weights.read_bytes() == whole.weights.read_bytes()
    assert not (tmp_path / "checkpoints").exists(), "a complete run needs none"


@pytest.mark.parametrize("damage", ["cut", "empty", "nonsense"])
def test_when_all_are_damaged_it_says_so_and_changes_nothing(
    damage: str, tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    for path in stopped(tmp_path, tiny_model(), tiny_data, tiny_spec, card(), 13):
        content = path.read_bytes()
        path.write_bytes({"cut": content[:-9], "empty": b"", "nonsense": b"x" * 300}[damage])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(DataError, match="no checkpoint is left to go on from"):
        train(tiny_model(), tiny_data, tiny_spec, tmp_path, device="cpu", card=card(), resume=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_another_model_is_refused(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    stopped(tmp_path, tiny_model(), tiny_data, tiny_spec, card(), 13)
    other = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    with pytest.raises(ModelError, match="the checkpoint does not fit the model"):
        train(other, tiny_data, tiny_spec, tmp_path, device="cpu", card=card(), resume=True)


def test_resuming_where_nothing_was_begins(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    done = train(tiny_model(), tiny_data, tiny_spec, tmp_path, device="cpu", card=card(), resume=True)
    assert done.card.status == "complete" and load_run_card(tmp_path).epochs_done == 4


def test_stopping_early_is_complete_and_resumes_the_same(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, card: MakeCard
) -> None:
    spec = TrainSpec(epochs=60, batch_size=16, learning_rate=1e-2, patience=3)
    whole = train(tiny_model(), tiny_data, spec, tmp_path / "whole", device="cpu", card=card())
    top = highest(read_metrics(tmp_path / "whole"))
    assert whole.card.epochs_done == top.epoch + 3 < 60 and whole.card.status == "complete"
    with pytest.raises(KeyboardInterrupt):
        train(tiny_model(), tiny_data, spec, tmp_path / "parts", device="cpu", card=card(), progress=Stops(9))
    parts = train(tiny_model(), tiny_data, spec, tmp_path / "parts", device="cpu", card=card(), resume=True)
    assert parts.card.epochs_done == whole.card.epochs_done
    assert parts.weights.read_bytes() == whole.weights.read_bytes()


def test_the_average_is_what_is_scored_saved_and_left_in_the_module(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    module, plain = tiny_model(), tiny_model()
    spec = tiny_spec.model_copy(update={"ema_decay": 0.9})
    train(module, tiny_data, spec, tmp_path / "a", device="cpu", card=card())
    train(plain, tiny_data, tiny_spec, tmp_path / "b", device="cpu", card=card())
    assert not torch.equal(module.state_dict()["0.weight"], plain.state_dict()["0.weight"])
    saved = read_state_dict(tmp_path / "a" / "best.safetensors")
    assert set(saved) == set(module.state_dict())
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in saved.items())


@pytest.fixture(scope="module")
def rounding() -> nn.Module:
    """tiny_model as a module that rounds like int8, its batch norm folded."""
    from mobilekit.capture import capture
    from mobilekit.quantize.qat import trainable
    from mobilekit.spec import QuantizeSpec, parse_inputs

    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)
        samples = [(torch.randn(1, 1, 6, 6),) for _ in range(8)]
    captured = capture(nn.Sequential(*layers).eval(), parse_inputs(["batch=1..512,1,6,6"]))
    return trainable(captured, samples, QuantizeSpec(observer="min-max"))[0]


@pytest.mark.slow
@pytest.mark.parametrize("spec", [SPECS["adamw"], SPECS["sgd with average"]], ids=["adamw", "sgd with average"])
def test_a_training_for_int8_goes_on_to_the_same_bits(
    spec: TrainSpec, rounding: nn.Module, tmp_path: Path, tiny_data: TrainingData, card: MakeCard
) -> None:
    spec = spec.model_copy(update={"epochs": 3, "learning_rate": 5e-3})
    before = rounding.state_dict()
    whole = train(copy.deepcopy(rounding), tiny_data, spec, tmp_path / "whole", device="cpu", card=card())
    for step in (2, 9):
        part = tmp_path / str(step)
        with pytest.raises(KeyboardInterrupt):
            train(copy.deepcopy(rounding), tiny_data, spec, part, device="cpu", card=card(), progress=Stops(step))
        done = train(copy.deepcopy(rounding), tiny_data, spec, part, device="cpu", card=card(), resume=True)
        for file in ("best.safetensors", "last.safetensors"):
            assert (whole.folder / file).read_bytes() == (part / file).read_bytes()
        assert done.card.test_top1 == whole.card.test_top1
    saved = read_state_dict(whole.weights)
    assert set(saved) == set(before) == set(tiny_names())
    assert not torch.equal(saved["0.weight"], before["0.weight"]), "something was learned"
    assert torch.equal(saved["1.weight"], before["1.weight"]), "the folded batch norm is no more than a bias"
    assert all(torch.equal(value, before[name]) for name, value in rounding.state_dict().items())


def tiny_names() -> list[str]:
    """What the model that is trained for int8 calls its tensors."""
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)
    return list(nn.Sequential(*layers).state_dict())


@pytest.mark.slow
def test_the_average_of_a_training_for_int8_is_what_is_scored_and_saved(
    rounding: nn.Module, tmp_path: Path, tiny_data: TrainingData, card: MakeCard
) -> None:
    plain = SPECS["sgd with average"].model_copy(update={"epochs": 2, "learning_rate": 5e-3, "ema_decay": None})
    modules = {}
    for name, spec in (("plain", plain), ("average", plain.model_copy(update={"ema_decay": 0.9}))):
        modules[name] = copy.deepcopy(rounding)
        done = train(modules[name], tiny_data, spec, tmp_path / name, device="cpu", card=card())
        saved = read_state_dict(done.weights)
        assert all(torch.equal(value, modules[name].state_dict()[key]) for key, value in saved.items())
    trained, average = (modules[name].state_dict()["4.weight"] for name in ("plain", "average"))
    start = rounding.state_dict()["4.weight"]
    assert 0 < (average - start).norm() < (trained - start).norm(), "it lags behind"
