"""Schema: the JSON Schema (draft 2020-12) of bundle.json, made from the manifest's types.

`python -m mobilekit.bundle.schema > FILE` prints it. The copies beside this file and in docs/ are held to it by a test.
It describes what mobilekit writes: every field is present, with null or [] where there is nothing to say.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from mobilekit.bundle.manifest import SCHEMA_VERSION, Manifest

SCHEMA_FILE = "bundle.schema.json"


def bundle_schema() -> dict[str, Any]:
    """The schema as JSON values."""
    schema = Manifest.model_json_schema(mode="serialization")
    for described in (schema, *schema["$defs"].values()):
        described["required"] = list(described.get("properties", {}))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:mobilekit:bundle:{SCHEMA_VERSION}",
        **schema,
        "title": f"mobilekit bundle.json, schema version {SCHEMA_VERSION}",
    }


def schema_text() -> str:
    """The schema as it is published."""
    return text_of(bundle_schema())


def text_of(schema: dict[str, Any]) -> str:
    """A schema as it is published."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def published_schema(file: str = SCHEMA_FILE) -> dict[str, Any]:
    """A schema that is shipped with the package; bundle.json's, if not said otherwise."""
    loaded: dict[str, Any] = json.loads(files("mobilekit.bundle").joinpath(file).read_text(encoding="utf-8"))
    return loaded


if __name__ == "__main__":
    print(schema_text(), end="")
