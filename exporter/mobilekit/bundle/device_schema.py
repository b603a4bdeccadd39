"""Device schema: the JSON Schema (draft 2020-12) of a phone's results, made from their types.

`python -m mobilekit.bundle.device_schema > FILE` prints it. The copies beside this file and in docs/ are held to it by
a test.
"""

from __future__ import annotations

from typing import Any

from mobilekit.bundle import schema
from mobilekit.bundle.device import DeviceBench

SCHEMA_FILE = "device-bench.schema.json"


def device_schema() -> dict[str, Any]:
    """The schema as JSON values."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:mobilekit:device-bench:1",
        **DeviceBench.model_json_schema(),
        "title": "mobilekit results of a phone, version 1",
    }


def schema_text() -> str:
    """The schema as it is published."""
    return schema.text_of(device_schema())


def published_schema() -> dict[str, Any]:
    """The schema that is shipped with the package."""
    return schema.published_schema(SCHEMA_FILE)


if __name__ == "__main__":
    print(schema_text(), end="")
