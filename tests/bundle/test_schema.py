"""The published JSON Schema is the one of the code, describes every field, and real bundles satisfy it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mobilekit.bundle import schema

ROOT = Path(__file__).parents[2]
GOLDEN = json.loads((ROOT / "tests" / "golden" / "bundle" / "bundle.json").read_bytes())


def all_fields() -> set[str]:
    raw = schema.bundle_schema()
    return {name for one in (raw, *raw["$defs"].values()) for name in one.get("properties", {})}


def test_the_published_copies_are_those_of_the_code() -> None:
    text = schema.schema_text()
    cure = "python -m mobilekit.bundle.schema > FILE"
    package = ROOT / "exporter" / "mobilekit" / "bundle" / schema.SCHEMA_FILE
    assert package.read_text(encoding="utf-8") == text, f"{cure} ({package})"
    assert (ROOT / "docs" / schema.SCHEMA_FILE).read_text(encoding="utf-8") == text, cure
    assert schema.published_schema() == schema.bundle_schema()


def test_it_is_a_valid_schema_and_the_golden_bundle_satisfies_it() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.published_schema())
    jsonschema.Draft202012Validator(schema.published_schema()).validate(GOLDEN)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["schema_version"], 2),
        (["artifacts", 0, "file"], "../outside"),
        (["artifacts", 0, "sha256"], "abc"),
        (["artifacts", 0, "bytes"], -1),
        (["artifacts", 0, "unknown"], 1),
        (["inputs", 0, "shape", 0], 0),
        (["inputs", 0, "dtype"], "float31"),
        (["created"], "yesterday"),
        (["preprocess", "color"], "CMYK"),
    ],
)
def test_it_refuses_what_the_loader_refuses(path: list[Any], value: Any) -> None:
    raw = json.loads(json.dumps(GOLDEN))
    inner = raw
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    assert not jsonschema.Draft202012Validator(schema.published_schema()).is_valid(raw)


def test_the_schema_says_that_every_field_is_always_written() -> None:
    raw = schema.bundle_schema()
    for one in (raw, *raw["$defs"].values()):
        assert set(one.get("required", ())) == set(one.get("properties", {})), one.get("title")


def test_the_pages_explain_every_field() -> None:
    pages = [
        (ROOT / "docs" / name).read_text(encoding="utf-8")
        for name in ("bundle.md", "recipes.md", "preprocessing.md", "audio-preprocessing.md", "streaming.md")
    ]
    named = {name for page in pages for name in re.findall(r"`(?:\w+\.)?(\w+)`", page)}
    assert sorted(all_fields() - named) == []


def test_the_page_explains_every_field_of_a_reports_row() -> None:
    from mobilekit.report import Report, Row

    page = (ROOT / "docs" / "bundle.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", page.split("## report.json")[1]))
    assert sorted({*Row.model_fields, *Report.model_fields} - named) == []
