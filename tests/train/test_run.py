"""Whole runs on a tiny model: what is left in the folder, whatever happens."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.errors import ModelError, SetupError, StorageError, UsageError
from mobilekit.files import sha256
from mobilekit.model.run import RunCard, load_run_card
from mobilekit.model.weights import load_weights, read_state_dict
from mobilekit.progress import Task
from mobilekit.spec import TrainSpec
from mobilekit.train import Part, TrainingData, train
from mobilekit.train.metrics import best, read_metrics

MakeModel = Callable[[], nn.Module]
MakeCard = Callable[..., RunCard]


class Told:
    """A Progress that remembers, and calls `at_step` as work advances (as a signal would)."""

    def __init__(self, at_step: Callable[[int], None] = lambda step: None) -> None:
        self.total, self.steps, self.said, self.at_step = 0, 0, "", at_step

    @contextlib.contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        self.total = total or 0
        yield self

    def advance(self, steps: int = 1) -> None:
        self.steps += steps
        self.at_step(self.steps)

    def say(self, text: str) -> None:
        self.said = text

    def warn(self, text: str) -> None: ...


def interrupt_at(step: int) -> Told:
    def at_step(done: int) -> None:
        if done == step:
            raise KeyboardInterrupt

    return Told(at_step)


def test_a_complete_run(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    told, module = Told(), tiny_model()
    result = train(module, tiny_data, tiny_spec, tmp_path / "a" / "run", device="cpu", card=card(), progress=told)
    assert {path.name for path in result.folder.iterdir()} == {
        "run.json", "metrics.jsonl", "best.safetensors", "last.safetensors", "tensorboard",
    }  # fmt: skip
    done = load_run_card(result.folder)
    assert done == result.card and done.status == "complete"
    assert (done.epochs_planned, done.epochs_done, done.device, done.train) == (4, 4, "cpu", tiny_spec)
    assert (done.train_samples, done.val_samples, done.test_samples) == (70, 20, 30)
    assert done.weights_sha256 == sha256(result.folder / done.weights)
    lines = read_metrics(result.folder)
    assert [line.epoch for line in lines] == [1, 2, 3, 4]
    chosen = best(lines, samples=20)
    assert (done.best_epoch, done.val_top1) == (chosen.epoch, chosen.val_top1)
    assert done.test_top1 is not None and done.test_top1 > 0.9, "the classes are easy to tell apart"
    assert (told.steps, told.total) == (16, 16) and "epoch 4/4" in told.said


def test_the_module_ends_with_the_best_weights(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    module, loaded = tiny_model(), tiny_model().eval()
    result = train(module, tiny_data, tiny_spec, tmp_path, device="cpu", card=card())
    load_weights(loaded, result.weights)
    assert not module.training
    images = torch.rand(5, 1, 6, 6)
    assert torch.equal(module(images), loaded(images))
    values = torch.from_numpy(tiny_data.test.inputs[0]).permute(0, 3, 1, 2).float() / 255 - 0.5
    correct = (module(values).argmax(1).numpy() == tiny_data.test.labels).mean()
    assert result.card.test_top1 == pytest.approx(float(correct), abs=1e-9)


def test_the_same_seed_gives_the_same_bits_and_another_one_others(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    def weights(name: str, seed: int) -> bytes:
        torch.rand(3)  # the caller's random state must not matter
        spec = tiny_spec.model_copy(update={"seed": seed})
        train(tiny_model(), tiny_data, spec, tmp_path / name, device="cpu", card=card())
        return (tmp_path / name / "last.safetensors").read_bytes()

    first = weights("a", 0)
    assert weights("b", 0) == first
    assert weights("c", 1) != first


def test_the_callers_random_state_is_left_alone(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    module, before = tiny_model(), (torch.get_rng_state(), np.random.get_state()[1].tolist())  # type: ignore[union-attr, index]
    train(module, tiny_data, tiny_spec, tmp_path, device="cpu", card=card())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[union-attr, index]


def test_ctrl_c_keeps_the_best_so_far(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tiny_model(), tiny_data, tiny_spec, tmp_path, device="cpu", card=card(), progress=interrupt_at(10))
    left = load_run_card(tmp_path)
    assert (left.status, left.epochs_done, left.test_top1) == ("interrupted", 2, None)
    assert left.best_epoch in (1, 2) and left.weights_sha256 == sha256(tmp_path / left.weights)
    load_weights(tiny_model(), tmp_path / left.weights)
    assert len(read_metrics(tmp_path)) == 2


def test_ctrl_c_in_the_first_epoch_keeps_the_current_weights(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    module = tiny_model()
    with pytest.raises(KeyboardInterrupt):
        train(module, tiny_data, tiny_spec, tmp_path, device="cpu", card=card(), progress=interrupt_at(2))
    left = load_run_card(tmp_path)
    assert (left.status, left.epochs_done, left.best_epoch, left.val_top1) == ("interrupted", 0, None, None)
    state = read_state_dict(tmp_path / left.weights)
    assert torch.equal(state["0.weight"], module.state_dict()["0.weight"])
    assert not torch.equal(state["0.weight"], tiny_model().state_dict()["0.weight"]), "two batches were learned from"


def test_a_killed_run_says_that_it_is_running_and_has_weights(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    seen: list[RunCard] = []

    def look(step: int) -> None:
        if step in (1, 9):
            seen.append(load_run_card(tmp_path))

    train(tiny_model(), tiny_data, tiny_spec, tmp_path, device="cpu", card=card(), progress=Told(look))
    assert [(card.status, card.epochs_done) for card in seen] == [("running", 0), ("running", 2)]
    assert seen[0].weights_sha256 is None and seen[1].weights_sha256 is not None


class Poisoned(nn.Module):
    """Gives NaN from the given call on, in training."""

    def __init__(self, inner: nn.Module, call: int) -> None:
        super().__init__()
        self.inner, self.call = inner, call

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.call -= self.training
        return self.inner(image) * (float("nan") if self.call <= 0 else 1.0)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    with pytest.raises(ModelError, match="the loss is nan in epoch 2, batch 3 of 4") as caught:
        train(Poisoned(tiny_model(), 7), tiny_data, tiny_spec, tmp_path, device="cpu", card=card())
    assert "learning rate" in (caught.value.hint or "")
    left = load_run_card(tmp_path)
    assert (left.status, left.epochs_done, left.best_epoch) == ("interrupted", 1, 1)
    assert all(tensor.isfinite().all() for tensor in read_state_dict(tmp_path / left.weights).values())


def test_nothing_is_kept_when_the_first_epoch_fails(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    with pytest.raises(ModelError, match="epoch 1, batch 1 of 4"):
        train(Poisoned(tiny_model(), 1), tiny_data, tiny_spec, tmp_path, device="cpu", card=card())
    assert not list(tmp_path.glob("*.safetensors"))
    assert load_run_card(tmp_path).weights_sha256 is None


def test_weights_that_overflow_are_noticed_after_the_last_batch(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, card: MakeCard
) -> None:
    spec = TrainSpec(epochs=1, batch_size=70, optimizer="sgd", learning_rate=1e38, schedule="constant")
    with pytest.raises(ModelError, match=r"validation loss is (nan|inf) after epoch 1"):
        train(tiny_model(), tiny_data, spec, tmp_path, device="cpu", card=card())


class Wrong(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.linear = kind, nn.Linear(36, 1)

    def forward(self, image: torch.Tensor) -> object:
        if self.kind == "fails":
            return self.linear(image)  # not flattened
        return {"tuple": (image,), "flat": image.flatten(), "one class": self.linear(image.flatten(1))}[self.kind]


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        ("fails", r"(?s)forward\(\) failed: RuntimeError.*test_run.py:\d+, in forward"),
        ("tuple", "it gave tuple"),
        ("flat", r"it gave \[72\]"),
        ("one class", "the model gives 1 classes, tiny has the label 1"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_before_anything_is_written(
    *, kind: str, match: str, tmp_path: Path, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    with pytest.raises(ModelError, match=match):
        train(Wrong(kind), tiny_data, tiny_spec, tmp_path / "run", device="cpu", card=card())
    assert not (tmp_path / "run").exists()


def test_places_and_devices_that_do_not_work(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        train(tiny_model(), tiny_data, tiny_spec, tmp_path / "file" / "run", device="cpu", card=card())
    if not torch.cuda.is_available():
        with pytest.raises(SetupError):
            train(tiny_model(), tiny_data, tiny_spec, tmp_path / "run", device="cuda", card=card())
        assert not (tmp_path / "run").exists()


def test_an_older_run_in_the_same_folder_leaves_nothing(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    train(tiny_model(), tiny_data, tiny_spec, tmp_path, device="cpu", card=card())
    with pytest.raises(ModelError):
        train(Poisoned(tiny_model(), 1), tiny_data, tiny_spec, tmp_path, device="cpu", card=card())
    assert not list(tmp_path.glob("*.safetensors")) and read_metrics(tmp_path) == ()


def test_tensor_data_of_several_inputs(tmp_path: Path, tiny_spec: TrainSpec, card: MakeCard) -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return self.linear(left + right)

    rng = np.random.default_rng(0)
    inputs = tuple(rng.standard_normal((60, 3)).astype(np.float32) for _ in range(2))
    part = Part(inputs, ((inputs[0] + inputs[1])[:, 0] > 0).astype(np.int64))
    data = TrainingData("pairs", part, part, part, None)
    spec = TrainSpec(epochs=10, batch_size=16, learning_rate=0.2)
    with pytest.raises(UsageError, match="shift_pixels cannot be used on pairs, which holds several tensors"):
        train(Sum(), data, tiny_spec, tmp_path, device="cpu", card=card())
    result = train(Sum(), data, spec, tmp_path, device="cpu", card=card())
    assert result.card.test_top1 is not None and result.card.test_top1 > 0.9


def test_metrics_are_json_lines_with_the_promised_names(
    tmp_path: Path, tiny_model: MakeModel, tiny_data: TrainingData, tiny_spec: TrainSpec, card: MakeCard
) -> None:
    train(tiny_model(), replace(tiny_data, source="x"), tiny_spec, tmp_path, device="cpu", card=card())
    first = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    assert set(first) == {
        "epoch", "train_loss", "train_top1", "val_loss", "val_top1", "lr", "images_per_second", "seconds",
    }  # fmt: skip
    assert first["images_per_second"] > 0
