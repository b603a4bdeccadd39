"""The Kotlin library says what Python says: names, limits and fields are the same on both sides. Needs no JVM."""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mobilekit.bundle.manifest import ITEM_BYTES, SCHEMA_VERSION
from mobilekit.bundle.schema import bundle_schema
from mobilekit.preprocess import wav
from mobilekit.spec import audio, image

LIBRARY = Path(__file__).parents[2] / "android-demo" / "mobilekit"
SOURCES = LIBRARY / "src" / "main" / "kotlin" / "dev" / "mobilekit"
MAVEN = {"m": "http://maven.apache.org/POM/4.0.0"}

AFTER_API_26 = (
    "java.awt", "javax.", "android.", "kotlin.io.path", "HexFormat", "readString", "writeString", "readAllBytes",
    "readNBytes", "transferTo", "Map.of(", "List.of(", "Set.of(", "isBlank(", ".repeat(", "getFirst(", "getLast(",
)  # fmt: skip
"""What is not there on Android 8.0 (API 26), or on no phone at all, and easily written."""


def source(name: str) -> str:
    return (SOURCES / name).read_text()


def labels(enumeration: str, text: str) -> list[str]:
    """The first texts of an enum class's entries."""
    body = re.search(rf"enum class {enumeration}\b[^{{]*\{{(.*?)\n?\}}", text, re.DOTALL)
    assert body, enumeration
    return re.findall(r'[A-Z0-9_]+\("([^"]+)"', body[1])


@pytest.mark.parametrize(
    ("enumeration", "owner", "field"),
    [
        ("Color", image.ImagePreprocess, "color"),
        ("Layout", image.ImagePreprocess, "layout"),
        ("ResizeMode", image.Resize, "mode"),
        ("Interpolation", image.Resize, "interpolation"),
        ("AudioWindow", audio.AudioPreprocess, "window"),
        ("MelScale", audio.AudioPreprocess, "mel_scale"),
        ("MelNorm", audio.AudioPreprocess, "mel_norm"),
        ("LogBase", audio.AudioPreprocess, "log"),
    ],
)
def test_choices_have_the_same_names(enumeration: str, owner: typing.Any, field: str) -> None:
    choices = typing.get_args(owner.model_fields[field].annotation)
    assert labels(enumeration, source("Specs.kt")) == list(choices)


def test_element_types_have_the_same_names_and_sizes() -> None:
    found = re.findall(r'[A-Z0-9]+\("(\w+)", (\d)\)[,;]', source("Tensor.kt"))
    assert {name: int(size) for name, size in found} == ITEM_BYTES


def test_limits_are_the_same() -> None:
    assert f"SCHEMA_VERSION = {SCHEMA_VERSION}" in source("Manifest.kt")
    assert f"LONGEST_SIDE = {image.MAX_SIDE:_}" in source("Pixels.kt")
    assert image.MAX_PIXELS == 1 << 27
    assert "MOST_PIXELS = 1 shl 27" in source("Pixels.kt")
    assert f"LOWEST_RATE = {wav.RATES[0]:_}" in source("Wav.kt")
    assert f"HIGHEST_RATE = {wav.RATES[1]:_}" in source("Wav.kt")


def test_every_field_that_is_read_is_one_that_is_written() -> None:
    schema = bundle_schema()
    written = set(schema["properties"])
    for definition in schema["$defs"].values():
        written |= set(definition.get("properties", {}))
    for name in ("ReadManifest.kt", "ReadPreprocess.kt"):
        read = set(re.findall(r'\w+\["([a-z0-9_]+)"\]', source(name)))
        read |= set(re.findall(r'orNull\("([a-z0-9_]+)"\)', source(name)))
        assert read <= written, read - written


@pytest.mark.parametrize("path", sorted(SOURCES.glob("*.kt")), ids=lambda path: path.name)
def test_nothing_is_used_that_a_phone_lacks(path: Path) -> None:
    text = path.read_text()
    assert not [word for word in AFTER_API_26 if word in text]
    assert len(text.splitlines()) <= 320


def test_timings_are_shared_under_the_fields_that_python_imports() -> None:
    schema = LIBRARY.parents[1] / "docs" / "device-bench.schema.json"
    if not schema.is_file():
        pytest.skip("this version of mobilekit imports no results of phones")
    published = json.loads(schema.read_text())
    written = {name for part in (published, *published["$defs"].values()) for name in part["properties"]}
    assert set(re.findall(r'put\("([a-z0-9_]+)",', source("BenchmarkResult.kt"))) == written


def test_maven_and_gradle_take_the_same_sources() -> None:
    pom = ElementTree.parse(LIBRARY / "pom.xml").getroot()
    folders = [node.text for node in pom.iterfind(".//m:sourceDir", MAVEN)]
    assert folders == ["src/test/kotlin", "src/testing/kotlin"]
    assert all((LIBRARY / str(folder)).is_dir() for folder in folders)
    assert 'sourceSets["test"].kotlin.srcDir("src/testing/kotlin")' in (LIBRARY / "build.gradle.kts").read_text()
