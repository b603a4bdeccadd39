"""Training through the command line: killed and resumed, several seeds, options of the recipe."""

from __future__ import annotations

import os
import signal
import time

import pytest

from mobilekit.model.run import load_run_card
from mobilekit.train.metrics import read_metrics

DIGITS = ("train", "digits_cnn", "--epochs", "12", "--device", "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [0, 1, 5])
def test_kill_9_and_resume_ends_in_the_same_bits(mobilekit, epochs: int) -> None:
    assert mobilekit(*DIGITS, "-o", "whole").code == 0
    process = mobilekit.start(*DIGITS, "-o", "parts")
    run = mobilekit.folder / "parts"
    metrics = run / "metrics.jsonl"
    while not run.exists() or (epochs and (not metrics.exists() or len(metrics.read_bytes().splitlines()) < epochs)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not epochs or (len(read_metrics(run)) < 12 and load_run_card(run).status == "running")
    ended = mobilekit(*DIGITS, "-o", "parts", "--resume")
    assert ended.code == 0 and "epoch 12/12" in ended.err
    for name in ("best.safetensors", "last.safetensors"):
        assert (run / name).read_bytes() == (mobilekit.folder / "whole" / name).read_bytes()
    card = load_run_card(run)
    assert card.status == "complete" and card.resumed >= bool(epochs) and len(read_metrics(run)) == 12
    assert mobilekit(*DIGITS, "-o", "parts", "--resume").code == 0, "a complete run is shown again"


@pytest.mark.slow
def test_a_run_of_other_options_is_not_gone_on_with(mobilekit) -> None:
    assert mobilekit("train", "mlp", "--data", "digits", "--epochs", "1", "-o", "run").code == 0
    before = (mobilekit.folder / "run" / "run.json").read_bytes()
    ended = mobilekit("train", "mlp", "--data", "digits", "--epochs", "2", "--lr", "0.5", "-o", "run", "--resume")
    assert ended.code == 2
    assert "epochs was 1, now 2" in ended.err and "learning_rate was" in ended.err
    assert (mobilekit.folder / "run" / "run.json").read_bytes() == before


@pytest.mark.slow
def test_several_seeds(mobilekit) -> None:
    ended = mobilekit("train", "digits_cnn", "--epochs", "3", "--seeds", "2", "-o", "runs", "--json")
    assert ended.code == 0
    found = ended.json
    assert [one["seed"] for one in found["runs"]] == [0, 1]
    reached = [load_run_card(mobilekit.folder / "runs" / f"seed-{seed}").test_top1 for seed in (0, 1)]
    assert [one["test_top1"] for one in found["runs"]] == reached
    assert found["mean_top1"] == pytest.approx(sum(reached) / 2)
    assert found["std_top1"] == pytest.approx(abs(reached[0] - reached[1]) / 2**0.5)
    text = mobilekit("train", "digits_cnn", "--epochs", "3", "--seeds", "2", "-o", "runs", "--resume")
    assert text.code == 0 and "n = 2" in text.out, "complete ones are not trained again"


@pytest.mark.slow
def test_fields_of_the_recipe_on_the_command_line(mobilekit) -> None:
    ended = mobilekit(
        "train", "digits_cnn", "--epochs", "2", "-o", "run", "--json",
        "--set", "optimizer=sgd", "--set", "augment.erasing=0.25", "--set", "class_weights=balanced",
        "--set", "amp=bf16", "--set", "schedule=step", "--set", "milestones=[1]",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    used = ended.json["train"]
    assert (used["optimizer"], used["class_weights"], used["amp"]) == ("sgd", "balanced", "bf16")
    assert used["milestones"] == [1]
    assert used["augment"]["erasing"] == 0.25 and used["augment"]["shift_pixels"] == 1, "the recipe's others stay"
    folder = mobilekit.folder / "run"
    report = (folder / "report.md").read_text()
    assert "![loss, top-1" in report and "augment.erasing = 0.25" in report
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert list((folder / "tensorboard").glob("events.out.tfevents.*"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("optimiser=sgd", "did you mean optimizer?"),
        ("augment.flipped=true", "did you mean flip?"),
        ("optimizer", "must be FIELD=VALUE"),
        ("augments.flip=true", "must be FIELD=VALUE"),
        ("epochs=many", "epochs"),
        ("amp=fp8", "amp"),
    ],
)
def test_settings_that_are_wrong(mobilekit, text: str, said: str) -> None:
    ended = mobilekit("train", "digits_cnn", "--set", text, "-o", "run")
    assert ended.code == 2 and said in ended.err
    assert not (mobilekit.folder / "run").exists()


def test_the_help_teaches_resume_and_torchrun(mobilekit) -> None:
    text = mobilekit("train", "--help").out
    assert "--resume" in text and "torchrun" in text and "--set" in text
