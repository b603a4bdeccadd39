"""The Android demo's sources, as far as they can be looked at without Android's tools.

What aapt2 and the compiler find is found by `mvn -f android-demo/pom.xml verify`. This looks for what both accept:
words that were not translated, pictures that a screen reader does not name, versions that differ between the builds.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

DEMO = Path(__file__).parents[2] / "android-demo"
RES = DEMO / "app/src/main/res"
ANDROID = "{http://schemas.android.com/apk/res/android}"
POM = {"m": "http://maven.apache.org/POM/4.0.0"}
LAYOUTS = sorted(RES.glob("layout*/*.xml"))
KOTLIN = sorted((DEMO / "app/src/main/kotlin").rglob("*.kt"))


def strings(folder: str) -> dict[str, str]:
    """Name -> text of every string and every quantity of a plural that is to be translated."""
    found = {}
    for path in sorted((RES / folder).glob("*.xml")):
        for element in ElementTree.parse(path).getroot():
            if element.get("translatable") == "false":
                continue
            if element.tag == "string":
                found[element.attrib["name"]] = element.text or ""
            if element.tag == "plurals":
                found |= {f"{element.attrib['name']}.{item.attrib['quantity']}": item.text or "" for item in element}
    return found


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%\d\$[.\d]*[a-z]", text))


def test_every_string_is_translated() -> None:
    english, german = strings("values"), strings("values-de")
    assert english.keys() == german.keys()
    assert all(text.strip() for text in german.values())
    for name, text in english.items():
        assert placeholders(text) == placeholders(german[name]), name


def test_german_is_not_english() -> None:
    english, german = strings("values"), strings("values-de")
    same = {name for name, text in english.items() if text == german[name]}
    # Names, figures, and words that are the same in both languages.
    alike = {"app_name", "benchmark", "threads", "guess", "result_title", "stage_row", "golden"}
    alike |= {"megabytes", "milliseconds", "milliseconds_fine", "thread_count.one", "thread_count.other"}
    assert same <= alike


def test_every_string_is_used() -> None:
    manifest = DEMO / "app/src/main/AndroidManifest.xml"
    used = "\n".join(path.read_text() for path in [*KOTLIN, *RES.rglob("*.xml"), manifest])
    names = {name.partition(".")[0] for name in strings("values")} | {"executorch_version", "no_bundle_command"}
    unused = {name for name in names if not re.search(rf"(@string/|R\.string\.|R\.plurals\.){name}\b", used)}
    assert not unused


def test_night_has_every_colour() -> None:
    def names(folder: str) -> set[str]:
        return {color.attrib["name"] for color in ElementTree.parse(RES / folder / "colors.xml").getroot()}

    assert names("values") - names("values-night") == {"launcher_background"}
    assert names("values-night") <= names("values")


@pytest.mark.parametrize("folder", ["values", "values-night"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("text", "background"),
        ("text", "surface"),
        ("text", "surface_variant"),
        ("text", "primary_container"),
        ("text", "good_container"),
        ("text", "bad_container"),
        ("text_secondary", "background"),
        ("text_secondary", "surface"),
        ("text_secondary", "surface_variant"),
        ("text_secondary", "primary_container"),
        ("text_secondary", "bad_container"),
        ("on_primary", "primary"),
        ("on_primary_container", "primary_container"),
        ("primary", "surface"),
        ("good", "good_container"),
        ("bad", "bad_container"),
    ],
)
def test_text_can_be_read(folder: str, text: str, ground: str) -> None:
    """WCAG's 4.5 to 1."""
    colors = {c.attrib["name"]: c.text or "" for c in ElementTree.parse(RES / folder / "colors.xml").getroot()}
    light, dark = sorted((luminance(colors[text]), luminance(colors[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(color: str) -> float:
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("path", LAYOUTS, ids=lambda path: path.stem)
def test_layouts(path: Path) -> None:
    for element in ElementTree.parse(path).iter():
        # @null says that a picture only decorates; saying nothing says nothing.
        if element.tag in {"ImageView", "ImageButton", "TextureView"}:
            assert element.get(f"{ANDROID}contentDescription"), f"{element.tag} without a content description"
        if element.tag == "ImageButton":
            assert element.get(f"{ANDROID}contentDescription") != "@null", "a button that a screen reader cannot name"
        text = element.get(f"{ANDROID}text", "@string/")
        assert text.startswith("@string/"), f"{text!r} is no resource"


@pytest.mark.parametrize("path", KOTLIN, ids=lambda path: path.stem)
def test_kotlin_shows_resources_only(path: Path) -> None:
    code = path.read_text()
    assert code.count("\n") <= 320
    assert not re.search(r'(\.text = |contentDescription = |setText\()"[A-Za-z]', code)
    assert "androidx" not in code, "the app uses the platform's own toolkit"


@cache
def catalog() -> dict[str, str]:
    return dict(tomllib.loads((DEMO / "gradle/libs.versions.toml").read_text())["versions"])


def properties(pom: str) -> dict[str, str]:
    root = ElementTree.parse(DEMO / pom).getroot()
    found = root.find("m:properties", POM)
    return {} if found is None else {e.tag.partition("}")[2]: e.text or "" for e in found}


def test_both_builds_take_the_same_versions() -> None:
    maven = properties("pom.xml") | properties("app/pom.xml")
    pairs = {
        "executorch": "executorch.version",
        "kotlin": "kotlin.version",
        "kotlinx-serialization": "serialization.version",
        "junit-jupiter": "junit.version",
        "junit4": "junit4.version",
        "robolectric": "robolectric.version",
        "minSdk": "minSdk",
        "targetSdk": "android.api",
        "compileSdk": "android.api",
        "java": "kotlin.compiler.jvmTarget",
    }
    assert {name: maven[prop] for name, prop in pairs.items()} == {name: catalog()[name] for name in pairs}


def test_the_framework_is_the_one_of_that_api() -> None:
    # Android 14 is API 34, and so on; Robolectric names its builds of the framework by Android's version.
    maven = properties("app/pom.xml")
    assert int(maven["android.all"].partition("-")[0]) + 20 == int(maven["android.api"])


def test_executorch_is_the_exporter_s() -> None:
    pinned = re.search(r"^executorch==([\d.]+)", (DEMO.parent / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned
    assert catalog()["executorch"] == pinned[1]
    versions = ElementTree.parse(RES / "values/versions.xml").getroot()
    assert [e.text for e in versions if e.attrib["name"] == "executorch_version"] == [pinned[1]]


def test_gradle_builds_with_the_java_it_is_given() -> None:
    """A toolchain of a fixed version is looked for and, without a plugin that fetches it, not found."""
    assert not [path for path in DEMO.rglob("*.gradle.kts") if "jvmToolchain" in path.read_text()]


def test_what_maven_fills_in_is_not_seen_by_gradle() -> None:
    """Gradle's Android plugin writes test_config.properties itself, and fills nothing into a test's resources."""
    resources = DEMO / "app/src/test/resources"
    assert not (resources / "com/android/tools/test_config.properties").exists()
    assert not [path for path in resources.rglob("*.properties") if "${" in path.read_text()]
    robolectric = (resources / "robolectric.properties").read_text()
    assert f"sdk={catalog()['targetSdk']}\n" in robolectric


def test_no_phone_is_kept_away() -> None:
    """A permission for hardware asks for the hardware too, unless the manifest says that it is not required."""
    manifest = ElementTree.parse(DEMO / "app/src/main/AndroidManifest.xml").getroot()
    features = {e.attrib[f"{ANDROID}name"]: e.attrib[f"{ANDROID}required"] for e in manifest.iter("uses-feature")}
    implied = ("camera", "camera.autofocus", "microphone")
    assert {name: features.get(f"android.hardware.{name}") for name in implied} == dict.fromkeys(implied, "false")


def test_nothing_is_copied_to_another_phone() -> None:
    domains = {f"{device}{name}" for device in ("", "device_") for name in ("root", "file", "database", "sharedpref")}
    for part in ElementTree.parse(RES / "xml/backup.xml").getroot():
        assert {e.attrib["domain"] for e in part if e.tag == "exclude"} == domains | {"external"}, part.tag


def test_arrows_point_the_other_way_where_text_does() -> None:
    for name in ("back", "next"):
        arrow = ElementTree.parse(RES / f"drawable/ic_{name}.xml").getroot()
        assert arrow.get(f"{ANDROID}autoMirrored") == "true", name


def test_gradle_says_what_phones_it_is_for() -> None:
    gradle = (DEMO / "app/build.gradle.kts").read_text()
    assert 'abiFilters += listOf("arm64-v8a", "x86_64")' in gradle
    assert "useLegacyPackaging = false" in gradle
    version = re.search(r'versionName = "([\d.]+)"', gradle)
    assert version
    root = ElementTree.parse(DEMO / "pom.xml").getroot()
    assert root.findtext("m:version", namespaces=POM) == version[1]


def test_every_activity_is_in_the_manifest() -> None:
    application = ElementTree.parse(DEMO / "app/src/main/AndroidManifest.xml").getroot().find("application")
    assert application is not None
    listed = {e.attrib[f"{ANDROID}name"].lstrip(".") for e in application if e.tag == "activity"}
    code = "\n".join(path.read_text() for path in KOTLIN)
    written = set(re.findall(r"^class (\w+Activity)\b", code, re.MULTILINE))
    assert listed == written
    for element in application:
        exported = element.get(f"{ANDROID}exported")
        assert exported == ("true" if element.find("intent-filter") is not None else exported)
