"""publish: a run's weights become the model's own, and what cannot be published is told without touching anything."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ZOO = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture
def folder(mobilekit) -> Path:
    own = shutil.ignore_patterns("card.json", "weights.safetensors")
    return Path(shutil.copytree(ZOO / "mlp", mobilekit.folder / "mlp", ignore=own))


@pytest.mark.slow
def test_from_training_to_a_models_own_weights(mobilekit, folder: Path) -> None:
    assert mobilekit("train", "mlp", "--epochs", "2", "-o", "run").code == 0
    shown = mobilekit("publish", "run", "mlp", "--origin", "scans", "--license", "CC0")
    assert shown.code == 0, shown.err
    assert "trained by: mobilekit train mlp --set epochs=2" in shown.out
    assert shown.out.endswith("next: mobilekit export ./mlp\n")
    assert {path.name for path in folder.iterdir()} >= {"weights.safetensors", "card.json"}
    again = mobilekit("publish", "run", "mlp")
    assert again.code == 2 and "weights.safetensors exists already; nothing was written" in again.err
    card = mobilekit("publish", "run", "mlp", "--force", "--json").json
    assert card["model"] == "mlp" and card["data"]["origin"] is None
    exported = mobilekit("export", "./mlp", "-t", "onnx", "-q", "fp32", "--no-bench", "--test-samples", "20", "--json")
    assert exported.code == 0 and exported.json["model"]["weights_sha256"] == card["weights_sha256"]
    (folder / "weights.safetensors").write_bytes(b"other")
    refused = mobilekit("export", "./mlp", "-t", "onnx", "-q", "fp32")
    assert refused.code == 4 and "their hashes differ" in refused.err and "--weights random" in refused.err


def test_what_is_no_run(refused, folder: Path) -> None:
    refused(2, "publish", "nowhere", "mlp", says=("nowhere is not a run",))
    refused(2, "publish", "mlp", "nowhere", says=("nowhere is not a model folder",))
