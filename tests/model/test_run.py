from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobilekit.environment import Environment, Machine
from mobilekit.errors import MobilekitError, SpecError, StorageError, UsageError
from mobilekit.model.run import RunCard, load_run_card, write_run_card
from mobilekit.spec import TrainSpec

MACHINE = Machine(system="Linux 6", processor="a", architecture="x86_64", cores=2, memory_bytes=1)
CARD = RunCard(
    model="digits_cnn",
    recipe_name="digits_cnn",
    data="digits",
    seed=3,
    train=TrainSpec(epochs=2),
    epochs_planned=2,
    environment=Environment(machine=MACHINE, python="3.11.7", mobilekit="0.1.0", packages={"torch": "2"}),
    created="2026-01-01T00:00:00+00:00",
)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    done = CARD.model_copy(
        update={"status": "complete", "val_top1": 0.5, "test_top1": 1.0, "weights_sha256": "0" * 64, "best_epoch": 2}
    )
    for card in (CARD, done):
        assert write_run_card(tmp_path, card) == tmp_path / "run.json"
        assert load_run_card(tmp_path) == card
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"], "no temporary file is left"


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match=r"is not a run: it has no run\.json") as caught:
            load_run_card(folder)
        assert caught.value.hint


def test_broken_json_and_other_schemas(tmp_path: Path) -> None:
    path = write_run_card(tmp_path, CARD)
    whole = json.loads(path.read_text())
    path.write_text(path.read_text()[:-20])
    with pytest.raises(UsageError, match="is not JSON"):
        load_run_card(tmp_path)
    path.write_text(json.dumps({**whole, "schema_version": 2}))
    with pytest.raises(UsageError, match="schema version 2; this mobilekit reads version 1"):
        load_run_card(tmp_path)
    path.write_text("[]")
    with pytest.raises(SpecError, match="must be a JSON object"):
        load_run_card(tmp_path)
    path.write_text(json.dumps({**whole, "status": "done", "weights": "../../etc/x", "strange": 1}))
    with pytest.raises(SpecError, match="3 problems") as caught:
        load_run_card(tmp_path)
    assert {problem.field for problem in caught.value.problems} == {"status", "weights", "strange"}


def test_a_folder_that_is_not_there_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_run_card(tmp_path / "file", CARD)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_read_whole_or_refused_cleanly(data: st.DataObject, tmp_path: Path) -> None:
    path = write_run_card(tmp_path, CARD)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        assert isinstance(load_run_card(tmp_path), RunCard)
    except MobilekitError as error:
        assert "run.json" in str(error)
