"""What the zoo says of its models: names, sizes, cards, and the table in the documentation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import mobilekit
from mobilekit.model import resolve
from mobilekit.model.card import published
from mobilekit.model.size import RECORD, count_size, fingerprint, recorded_size
from mobilekit.model.table import markdown_table
from mobilekit.model.zoo import short, zoo_folder, zoo_models, zoo_names
from mobilekit.spec import load_recipe

ROOT = Path(mobilekit.__file__).resolve().parents[2]
AGAIN = "run: python -m mobilekit.model.table"
MOST_BYTES = 10_000_000


def test_every_size_is_on_record() -> None:
    unknown = [
        name
        for name in zoo_names()
        if recorded_size(zoo_folder() / name, load_recipe(zoo_folder() / name / "recipe.toml")) is None
    ]
    assert unknown == [], AGAIN
    assert set(json.loads((zoo_folder() / RECORD).read_text())) == set(zoo_names()), AGAIN


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo_names())
def test_the_record_is_what_is_counted(name: str) -> None:
    source = resolve(str(zoo_folder() / name))
    counted = count_size(source)
    assert recorded_size(zoo_folder() / name, source.recipe) == counted, AGAIN
    assert counted.parameters == sum(parameter.numel() for parameter in source.build().parameters())


def test_a_count_does_not_outlive_what_it_was_counted_from(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo_folder() / "mlp", tmp_path / "mlp"))
    shutil.copy(zoo_folder() / RECORD, tmp_path)
    recipe = load_recipe(folder / "recipe.toml")
    assert recorded_size(folder, recipe) is not None
    assert recorded_size(folder, recipe.model_copy(update={"args": {"hidden": 64}})) is None
    assert recorded_size(folder, recipe.model_copy(update={"summary": "another"})) is not None
    with (folder / "model.py").open("a") as stream:
        stream.write("\n")
    assert recorded_size(folder, recipe) is None
    (tmp_path / RECORD).write_text("{")
    assert recorded_size(folder, recipe) is None


def test_line_ends_do_not_change_a_fingerprint(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo_folder() / "mlp", tmp_path / "mlp"))
    recipe, before = load_recipe(folder / "recipe.toml"), fingerprint(folder, load_recipe(folder / "recipe.toml"))
    text = (folder / "model.py").read_bytes()
    (folder / "model.py").write_bytes(text.replace(b"\n", b"\r\n"))
    assert fingerprint(folder, recipe) == before


def test_sizes_by_hand() -> None:
    sizes = {one.name: one.size for one in zoo_models()}
    # 64 x 128 + 128 x 128 + 128 x 10, and the biases are parameters but no multiplications
    assert (sizes["mlp"].macs, sizes["mlp"].parameters) == (25_856, 25_856 + 128 + 128 + 10)
    convolutions = 64 * 9 * (1 * 16 + 16 * 32) + 16 * 9 * 32 * 64
    assert sizes["digits_cnn"].macs == convolutions + 256 * 10


def test_cards_vouch_for_weights_of_the_model_they_lie_with() -> None:
    found = {name: published(zoo_folder() / name) for name in zoo_names()}
    assert found["digits_cnn"] is not None
    for name, weights in found.items():
        if weights is not None:
            file, card = weights
            assert card is not None and card.model == name and card.command.startswith(f"mobilekit train {name}")
            assert card.data.origin and card.data.license, "whose data it is"
            assert resolve(name).weights == file
    assert sum(weights[0].stat().st_size for weights in found.values() if weights) < MOST_BYTES


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (25_978, "26.0 k"), (999_949, "1.00 M"), (563_287_040, "563 M"),
     (9_996_000, "10.0 M"), (99_960_000, "100 M"), (1_814_073_344, "1.81 G")],
)  # fmt: skip
def test_counts_in_three_digits(count: int, text: str) -> None:
    assert short(count) == text


def test_the_table_in_the_documentation_is_the_zoo() -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert markdown_table(zoo_models()) in text, AGAIN
