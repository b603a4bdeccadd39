"""Several processes: what torchrun says, and that two of them learn what one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mobilekit.errors import SetupError
from mobilekit.model import resolve
from mobilekit.model.ranges import load_ranges
from mobilekit.model.run import load_run_card
from mobilekit.model.weights import read_state_dict
from mobilekit.train.distributed import ALONE, World, launched
from mobilekit.train.metrics import read_metrics

LOSS_TOLERANCE = 2e-4
"""Two processes average gradients that one process sums in another order; float32 and 60 steps make that of it."""

ROUNDED_TOLERANCE = 2e-3
"""Where values are rounded to int8, the last digit of a sum decides a step here and there."""


def test_without_torchrun_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert launched() == ALONE == World() and ALONE.leads


def test_what_torchrun_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "3"), ("WORLD_SIZE", "4"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert launched() == World(3, 4, 1) and not launched().leads
    monkeypatch.setenv("RANK", "4")
    with pytest.raises(SetupError, match="RANK 4 is not below WORLD_SIZE 4"):
        launched()
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(SetupError, match="RANK"):
        launched()


def run(*arguments: str, processes: int, folder: Path) -> subprocess.CompletedProcess[str]:
    start = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone"] if processes > 1 else []
    module = ["-m", "mobilekit"]
    return subprocess.run(
        [sys.executable, *start, *module, "train", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


@pytest.mark.slow
def test_two_processes_learn_what_one_does_with_the_doubled_batch(tmp_path: Path) -> None:
    """mlp: batch norm would see half of a batch in each process, which is another training."""
    common = ("mlp", "--data", "digits", "--epochs", "3", "--lr", "0.002", "--device", "cpu", "--json")
    plain = ("--set", "augment.shift_pixels=0", "--set", "ema_decay=0.9")
    two = run(*common, *plain, "--batch-size", "32", "-o", "two", processes=2, folder=tmp_path)
    assert two.returncode == 0, two.stderr
    one = run(*common, *plain, "--batch-size", "64", "-o", "one", processes=1, folder=tmp_path)
    assert one.returncode == 0, one.stderr
    assert json.loads(two.stdout)["processes"] == 2, "the leader alone prints"
    assert two.stderr.count("training on digits") == 1
    curves = [[(line.train_loss, line.val_loss) for line in read_metrics(tmp_path / name)] for name in ("one", "two")]
    for alone, together in zip(*curves, strict=True):
        assert together == pytest.approx(alone, abs=LOSS_TOLERANCE)
    weights = [read_state_dict(tmp_path / name / "last.safetensors") for name in ("one", "two")]
    for name, value in weights[0].items():
        assert (value - weights[1][name]).abs().max() < 1e-3
    cards = [load_run_card(tmp_path / name) for name in ("one", "two")]
    assert cards[0].test_samples == cards[1].test_samples == 359
    assert cards[0].test_top1 == pytest.approx(cards[1].test_top1, abs=1.5 / 359)


@pytest.mark.slow
def test_two_processes_train_for_int8_as_one_does(tmp_path: Path) -> None:
    """digits_cnn: its batch norms are folded, so that nothing depends on how a batch is divided."""
    common = ("digits_cnn", "--qat", "digits_cnn", "--epochs", "1", "--device", "cpu", "--json")
    plain = ("--set", "augment.shift_pixels=0", "--set", "ema_decay=0.9")
    two = run(*common, *plain, "--batch-size", "32", "-o", "two", processes=2, folder=tmp_path)
    assert two.returncode == 0, two.stderr
    assert json.loads(two.stdout)["processes"] == 2
    one = run(*common, *plain, "--batch-size", "64", "-o", "one", processes=1, folder=tmp_path)
    assert one.returncode == 0, one.stderr
    assert load_ranges(tmp_path / "one" / "qat.json") == load_ranges(tmp_path / "two" / "qat.json")
    (alone,), (together,) = (read_metrics(tmp_path / name) for name in ("one", "two"))
    assert together.train_loss == pytest.approx(alone.train_loss, abs=ROUNDED_TOLERANCE)
    assert together.val_loss == pytest.approx(alone.val_loss, abs=ROUNDED_TOLERANCE)
    before = resolve("digits_cnn").weights
    assert before is not None
    first, mine, theirs = (
        read_state_dict(path)
        for path in (before, tmp_path / "one" / "last.safetensors", tmp_path / "two" / "last.safetensors")
    )
    assert set(mine) == set(theirs) == set(first)
    assert all((value - theirs[name]).abs().max() < 1e-3 for name, value in mine.items())
    assert load_run_card(tmp_path / "two").qat == "digits_cnn"


@pytest.mark.slow
def test_two_processes_with_batch_norm_go_on_after_a_kill(tmp_path: Path) -> None:
    command = ("digits_cnn", "--epochs", "4", "--device", "cpu", "-o", "run")
    assert run(*command, processes=2, folder=tmp_path).returncode == 0
    whole = (tmp_path / "run" / "best.safetensors").read_bytes()
    card = load_run_card(tmp_path / "run")
    assert card.status == "complete" and card.test_top1 is not None and card.test_top1 > 0.9
    again = run(*command, "--resume", processes=2, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "run" / "best.safetensors").read_bytes() == whole, "a complete run is left as it is"
