"""Any text in a project's files is read without falling over, and what is there is found among it."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mobilekit.embed import android, apple
from mobilekit.embed.apps import App

FRAGMENTS = st.sampled_from(
    ["'", '"', "//", "/*", "*/", "\n", "\\", "$", "${", "}", "[", "]", "{", "=", "org.pytorch:executorch-android",
     ":1.5.1", "libs.", "executorch.android", "[libraries]\n", "[versions]\n", "swiftpm-1.5.1", "pins", "productName",
     "https://github.com/pytorch/executorch", "#", ":", "version.ref", "group = 'org.pytorch', name = "]
)  # fmt: skip
TEXT = st.lists(FRAGMENTS | st.text(max_size=8), max_size=25).map("".join)
VERSION = st.from_regex(r"\A[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(-[a-z]{1,5})?\Z")


@given(build=TEXT, catalog=TEXT, properties=TEXT)
def test_any_gradle_files(build: str, catalog: str, properties: str) -> None:
    texts = (
        ("app/build.gradle.kts", android.without_comments(build)),
        (android.CATALOG, catalog),
        ("gradle.properties", properties),
    )
    app = App("android", Path("/nowhere"), Path("/nowhere/app/src/main/assets"), texts)
    for pin in android.pins(app, android.EXECUTORCH):
        assert pin.version is None or pin.version


@given(TEXT, TEXT, TEXT)
def test_any_project_files(yml: str, resolved: str, swift: str) -> None:
    names = {"project.yml": yml, "Package.resolved": resolved, "Package.swift": swift}
    app = App(
        "apple", Path("/x"), Path("/x/Resources"), tuple((n, apple.without_comments(n, t)) for n, t in names.items())
    )
    for pin in apple.pins(app):
        assert pin.version is None or re.fullmatch(r"\d+\.\d+\.\d+", pin.version)
    apple.products(app), apple.oldest_system(app), apple.forces_load(app)


@given(version=VERSION, alias=st.from_regex(r"\A[a-z]{1,6}([-_.][a-z]{1,6}){0,2}\Z"))
def test_a_catalogs_version_is_found_under_any_alias(version: str, alias: str) -> None:
    catalog = (
        f'[versions]\nv = "{version}"\n[libraries]\n'
        f'"{alias}" = {{ module = "org.pytorch:executorch-android", version.ref = "v" }}\n'
    )
    build = f"dependencies {{ implementation(libs.{android.accessor(alias)}) }}"
    app = App(
        "android", Path("/x"), Path("/x/a/src/main/assets"), ((android.CATALOG, catalog), ("build.gradle", build))
    )
    assert [pin.version for pin in android.pins(app, android.EXECUTORCH)] == [version]


@given(st.text(alphabet=st.characters(exclude_characters="\"'/\\"), max_size=30), TEXT)
def test_text_in_quotes_is_no_comment(inside: str, rest: str) -> None:
    line = f'"https://{inside}"'.replace("\n", " ").replace("\r", " ")
    assert android.without_comments(f"{line}\n// {rest.splitlines()[0] if rest.splitlines() else ''}\n").startswith(
        line
    )
