"""Equal things have one key, another thing has another; the code of a stage is one of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mobilekit
from mobilekit.cache import Key, code_sha256, digest
from mobilekit.cache.key import canonical

TEXT = st.text(max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


class OneKey(Key):
    stage: Literal["one"] = "one"
    name: str
    sizes: tuple[int, ...]
    scale: float | None
    versions: dict[str, str]


class SameKey(Key):
    """The same fields, in another order."""

    versions: dict[str, str]
    scale: float | None
    sizes: tuple[int, ...]
    name: str
    stage: Literal["one"] = "one"


@st.composite
def fields(draw: st.DrawFn) -> dict[str, object]:
    return {
        "code_sha256": draw(TEXT),
        "name": draw(TEXT),
        "sizes": tuple(draw(st.lists(st.integers(), max_size=3))),
        "scale": draw(st.none() | NUMBERS),
        "versions": draw(st.dictionaries(TEXT, TEXT, max_size=3)),
    }


@given(fields(), st.randoms())
def test_equal_inputs_have_one_key_in_whatever_order(given_fields: dict[str, object], random) -> None:
    versions = list(given_fields["versions"].items())
    random.shuffle(versions)
    again = {**dict(reversed(given_fields.items())), "versions": dict(versions)}
    assert digest(OneKey(**given_fields)) == digest(OneKey(**again)) == digest(SameKey(**again))


@given(fields(), fields())
def test_another_input_has_another_key(one: dict[str, object], other: dict[str, object]) -> None:
    same = canonical(OneKey(**one)) == canonical(OneKey(**other))
    assert (digest(OneKey(**one)) == digest(OneKey(**other))) == same
    assert same == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


@given(fields(), st.sampled_from(["code_sha256", "name", "sizes", "scale", "versions"]))
def test_each_field_counts(one: dict[str, object], field: str) -> None:
    other = {"code_sha256": "other code!", "name": "other name", "sizes": (1, 2, 3, 4), "scale": 0.1234567}
    changed = {**one, field: {**other, "versions": {"torch": "other"}}[field]}
    assert digest(OneKey(**one)) != digest(OneKey(**changed))


def test_a_key_reads_as_json_and_its_digest_names_the_stage() -> None:
    key = OneKey(code_sha256="0", name="ß", sizes=(1,), scale=0.1, versions={})
    assert json.loads(canonical(key)) == key.model_dump(mode="json")
    assert "ß" in canonical(key)
    assert digest(key).startswith("one-")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of two parts in the place of mobilekit's source."""
    (tmp_path / "lower").mkdir()
    (tmp_path / "lower" / "one.py").write_text("x = 1\n")
    (tmp_path / "quiet.py").write_text("y = 1\n")
    (tmp_path / "other.py").write_text("z = 1\n")
    monkeypatch.setattr(mobilekit, "__file__", str(tmp_path / "__init__.py"))
    return tmp_path


def code_now() -> str:
    code_sha256.cache_clear()
    try:
        return code_sha256("lower", "quiet")
    finally:
        code_sha256.cache_clear()


def test_a_changed_moved_or_added_line_of_code_is_another_key(package: Path) -> None:
    before = code_now()
    assert code_now() == before
    (package / "other.py").write_text("z = 2\n")
    assert code_now() == before, "no part of it"
    seen = {before}
    for change in (
        lambda: (package / "quiet.py").write_text("y = 2\n"),
        lambda: (package / "lower" / "two.py").write_text(""),
        lambda: shutil.move(package / "lower" / "one.py", package / "lower" / "three.py"),
        lambda: (package / "lower" / "causes.toml").write_text("a = 1\n"),
    ):
        change()
        now = code_now()
        assert now not in seen
        seen.add(now)


def test_compiled_files_are_no_code(package: Path) -> None:
    before = code_now()
    (package / "lower" / "__pycache__").mkdir()
    (package / "lower" / "__pycache__" / "one.cpython-311.pyc").write_bytes(b"1")
    assert code_now() == before
