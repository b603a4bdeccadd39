from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mobilekit.errors import MobilekitError, SpecError, UsageError, WeightsError
from mobilekit.files import sha256
from mobilekit.model.card import CARD, WEIGHTS, SeedAccuracy, Spread, load_card, published
from mobilekit.model.zoo import zoo_folder

RUNS = [SeedAccuracy(seed=seed, top1=top1) for seed, top1 in enumerate((0.9, 0.92, 0.94))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a zoo model with its weights."""
    return Path(shutil.copytree(zoo_folder() / "digits_cnn", tmp_path / "digits_cnn"))


def test_what_ships_with_a_model(folder: Path) -> None:
    weights, card = published(folder) or (None, None)
    assert weights == folder / WEIGHTS and card is not None
    assert card.weights_sha256 == sha256(folder / WEIGHTS)
    assert card.model == "digits_cnn" and card.data.name == "digits" and card.data.test_samples == 359
    assert card.spread is not None and abs(card.top1 - card.spread.mean_top1) < 4 * card.spread.std_top1
    assert card.describe().startswith(f"{card.top1:.1%} on digits (n = 359), ")


def test_a_folder_without_weights_has_none(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(WeightsError, match=r"has a card\.json and no weights\.safetensors"):
        published(folder)
    (folder / CARD).unlink()
    assert published(folder) is None
    assert published(folder / "none") is None


def test_weights_without_a_card_are_weights(folder: Path) -> None:
    (folder / CARD).unlink()
    assert published(folder) == (folder / WEIGHTS, None)


def test_other_weights_than_the_cards_are_refused(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(WeightsError, match="their hashes differ") as caught:
        published(folder)
    assert caught.value.hint and "--weights random" in caught.value.hint


def test_cards_that_cannot_be_read(folder: Path) -> None:
    path = folder / CARD
    whole = json.loads(path.read_text())
    path.write_text(path.read_text()[:-20])
    with pytest.raises(UsageError, match="is not JSON"):
        load_card(folder)
    path.write_text("[]")
    with pytest.raises(SpecError, match="must be a JSON object"):
        load_card(folder)
    path.write_text(json.dumps({**whole, "schema_version": 2}))
    with pytest.raises(UsageError, match="schema version 2; this mobilekit reads version 1"):
        load_card(folder)
    path.write_text(json.dumps({**whole, "top1": 1.5, "strange": 1}))
    with pytest.raises(SpecError, match="2 problems") as caught:
        load_card(folder)
    assert {problem.field for problem in caught.value.problems} == {"top1", "strange"}


def test_mean_and_spread_follow_from_the_runs() -> None:
    spread = Spread.of(RUNS)
    assert spread.mean_top1 == pytest.approx(0.92) and spread.std_top1 == pytest.approx(0.02)
    assert Spread.model_validate_json(spread.model_dump_json()) == spread
    for name in ("mean_top1", "std_top1"):
        with pytest.raises(ValidationError, match="do not follow from the runs"):
            Spread.model_validate(spread.model_dump() | {name: 0.5})


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_read_whole_or_refused_cleanly(data: st.DataObject, folder: Path) -> None:
    original = (zoo_folder() / "digits_cnn" / CARD).read_bytes()
    content = bytearray(original)
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / CARD).write_bytes(content)
    try:
        assert published(folder) is not None
    except MobilekitError as error:
        assert "card.json" in str(error)
