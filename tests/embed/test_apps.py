"""Which app lies in a folder: the shapes that users have, and several candidates."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mobilekit.embed import android, apple
from mobilekit.embed.apps import App, find_app
from mobilekit.errors import UsageError

Make = Callable[[Mapping[str, str]], Path]
GROOVY_APP = "apply plugin: 'com.android.application'\n"


def versions(app: App) -> list[str | None]:
    return [pin.version for pin in android.pins(app, android.EXECUTORCH)]


def test_a_module_by_its_own_name_and_the_project_from_above(android_with: Make) -> None:
    root = android_with({})
    for named in (root.parent, root, root / "app", root / "app/src/main"):
        assert find_app(named).folder == root / "app/src/main/assets", named


def test_groovy_without_a_catalog(app: Make) -> None:
    root = app(
        {
            "settings.gradle": "include ':phone'\n",
            "build.gradle": "ext.etVersion = '1.5.1'  // ext.etVersion = '0.1'\n",
            "phone/build.gradle": GROOVY_APP
            + 'dependencies { implementation "org.pytorch:executorch-android:$etVersion" }',
        }
    )
    found = find_app(root)
    assert found.folder == root / "phone/src/main/assets"
    assert versions(found) == ["1.5.1"]


@pytest.mark.parametrize(
    ("build", "elsewhere", "expected"),
    [
        ('implementation("org.pytorch:executorch-android:1.5.1")', {}, ["1.5.1"]),
        ("implementation 'org.pytorch:executorch-android:1.5.1@aar'", {}, ["1.5.1"]),
        ("implementation group: 'org.pytorch', name: 'executorch-android', version: '1.4.0'", {}, ["1.4.0"]),
        ('implementation(group = "org.pytorch", name = "executorch-android", version = "1.4.0")', {}, ["1.4.0"]),
        ('val et = "1.5.1"\nimplementation("org.pytorch:executorch-android:$et")', {}, ["1.5.1"]),
        ('val et by extra("1.5.1")\nimplementation("org.pytorch:executorch-android:${et}")', {}, ["1.5.1"]),
        ('extra["et"] = "1.5.1"\nimplementation("org.pytorch:executorch-android:${et}")', {}, ["1.5.1"]),
        ('implementation("org.pytorch:executorch-android:$et")', {"gradle.properties": "et=1.5.1\n"}, ["1.5.1"]),
        ('implementation("org.pytorch:executorch-android:$et")', {}, [None]),
        ('implementation("org.pytorch:executorch-android:${libs.versions.executorch.get()}")', {}, ["1.5.1"]),
        ('implementation("org.pytorch:executorch-android")', {}, [None]),
        ('// implementation("org.pytorch:executorch-android:1.0.0")', {}, []),
        ('/* implementation("org.pytorch:executorch-android:1.0.0") */', {}, []),
        ('implementation("org.pytorch:executorch-android-other-thing:1.0.0")', {}, []),
        ("implementation(libs.executorch.android)", {}, ["1.5.1"]),
        ("implementation(libs.executorch.android.extra)", {}, []),
        ("implementation(libs.somethingelse)", {}, []),
    ],
)
def test_where_a_version_may_stand(
    android_with: Make, build: str, elsewhere: dict[str, str], expected: list[str | None]
) -> None:
    text = f'plugins {{ id("com.android.application") }}\n{build}\n'
    assert versions(find_app(android_with({"app/build.gradle.kts": text, **elsewhere}))) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ('"org.pytorch:executorch-android:1.2.0"', "1.2.0"),
        ('{ module = "org.pytorch:executorch-android", version = "1.2.0" }', "1.2.0"),
        ('{ group = "org.pytorch", name = "executorch-android", version = "1.2.0" }', "1.2.0"),
        ('{ module = "org.pytorch:executorch-android", version.ref = "et" }', "1.3.0"),
        ('{ module = "org.pytorch:executorch-android", version = { strictly = "1.2.0" } }', "1.2.0"),
        ('{ module = "org.pytorch:executorch-android", version = { prefer = "1.2.0" } }', "1.2.0"),
        ('{ module = "org.pytorch:executorch-android", version.ref = "nowhere" }', None),
        ('{ module = "org.pytorch:executorch-android" }', None),
    ],
)
def test_the_forms_of_a_version_catalog(android_with: Make, entry: str, expected: str | None) -> None:
    catalog = f'[versions]\net = "1.3.0"\n[libraries]\nexecutorch-android = {entry}\n'
    build = 'plugins { id("com.android.application") }\nimplementation(libs.executorch.android)\n'
    root = android_with({"gradle/libs.versions.toml": catalog, "app/build.gradle.kts": build})
    assert versions(find_app(root)) == [expected]


@pytest.mark.parametrize("members", ['["executorch-android", "other"]', '"executorch-android"', '["other"]'])
def test_a_bundle_of_a_catalog(android_with: Make, members: str) -> None:
    catalog = f"""
        [libraries]
        executorch-android = "org.pytorch:executorch-android:1.4.0"
        other = "org.example:other:1.0"
        [bundles]
        on-device = {members}
        """
    build = 'plugins { id("com.android.application") }\nimplementation(libs.bundles.on.device)\n'
    root = android_with({"gradle/libs.versions.toml": catalog, "app/build.gradle.kts": build})
    assert versions(find_app(root)) == (["1.4.0"] if members.startswith('["exec') else [])


def test_a_version_that_another_module_pins(app: Make) -> None:
    root = app(
        {
            "settings.gradle": "include ':app', ':core:ml', ':base', ':unused'",
            "app/build.gradle": GROOVY_APP + "dependencies { implementation project(':base') }",
            "base/build.gradle.kts": 'dependencies { api(project(path = ":core:ml")); api(project(":app")) }',
            "core/ml/build.gradle": "dependencies { api 'org.pytorch:executorch-android:1.4.0' }",
            "unused/build.gradle": "dependencies { api 'org.pytorch:executorch-android:1.0.0' }",
        }
    )
    (pin,) = android.pins(find_app(root), android.EXECUTORCH)
    assert (pin.version, pin.where) == ("1.4.0", "core/ml/build.gradle")


def test_a_catalog_that_is_no_toml_gives_no_version(android_with: Make) -> None:
    build = 'plugins { id("com.android.application") }\nimplementation(libs.executorch.android)\n'
    assert versions(find_app(android_with({"gradle/libs.versions.toml": "[", "app/build.gradle.kts": build}))) == []


def test_a_flavour_and_an_aar_in_the_module(android_with: Make) -> None:
    text = 'plugins { id("com.android.application") }\nimplementation("org.pytorch:executorch-android-vulkan:1.5.1")'
    root = android_with({"app/build.gradle.kts": text, "app/libs/executorch.aar": "", "app/libs/other.aar": ""})
    flavour, lying = android.pins(find_app(root), android.EXECUTORCH)
    assert (flavour.version, flavour.flavour) == ("1.5.1", "-vulkan")
    assert (lying.version, lying.library) == (None, root / "app/libs/executorch.aar")


def test_several_modules_are_listed_and_can_be_named(app: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = app(
        {
            "settings.gradle": "include ':phone', ':watch', ':lib'",
            "phone/build.gradle": GROOVY_APP,
            "watch/build.gradle.kts": 'plugins { id("com.android.application") version "8.0.0" }',
            "lib/build.gradle": "apply plugin: 'com.android.library'",
            "old/build.gradle": "plugins { id 'com.android.application' apply false }",
        }
    )
    monkeypatch.chdir(root)
    with pytest.raises(UsageError, match="2 places") as refused:
        find_app(Path())
    assert "phone/src/main/assets (android)" in refused.value.message and "watch" in refused.value.message
    assert refused.value.hint == "name one of them: phone"
    assert find_app(Path("phone")).folder == root / "phone/src/main/assets"
    assert find_app(Path("watch")).folder == root / "watch/src/main/assets"


def test_a_module_in_a_module_is_named_by_its_own_folder(app: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = app({"settings.gradle": "", "build.gradle": GROOVY_APP, "wear/build.gradle": GROOVY_APP, "src/main/a": ""})
    assert find_app(root / "wear").folder == root / "wear/src/main/assets"
    monkeypatch.chdir(root)
    with pytest.raises(UsageError, match="2 places") as refused:
        find_app(Path())
    assert refused.value.hint == "name one of them: src/main"
    assert find_app(Path("src/main")).folder == root / "src/main/assets"


@pytest.mark.parametrize(
    "asking",
    [
        'subprojects { plugins.withId("com.android.application") { } }',
        "if (project.plugins.hasPlugin('com.android.application')) { }",
        "subprojects { pluginManager.withPlugin 'com.android.application', { } }",
    ],
)
def test_a_root_that_asks_for_the_plugin_is_no_app(app: Make, asking: str) -> None:
    root = app({"settings.gradle": "", "build.gradle": asking, "app/build.gradle": GROOVY_APP})
    assert find_app(root).folder == root / "app/src/main/assets"


def test_an_app_whose_plugin_is_applied_by_the_projects_own(app: Make) -> None:
    """A convention plugin: `com.android.application` stands in build-logic, and not in the module."""
    launched = '<category android:name="android.intent.category.LAUNCHER" />'
    root = app(
        {
            "settings.gradle.kts": 'includeBuild("build-logic")\n',
            "build-logic/settings.gradle.kts": "",
            "build-logic/src/main/kotlin/App.kt": 'apply(plugin = "com.android.application")',
            "app/build.gradle.kts": "plugins { alias(libs.plugins.own.android.application) }",
            "app/src/main/AndroidManifest.xml": launched,
            "core/build.gradle.kts": "plugins { alias(libs.plugins.own.android.library) }",
            "core/src/main/AndroidManifest.xml": "<manifest />",
        }
    )
    assert find_app(root).folder == root / "app/src/main/assets"
    assert find_app(root / "app").folder == root / "app/src/main/assets"
    (root / "core/src/main/AndroidManifest.xml").write_text(launched, encoding="utf-8")
    with pytest.raises(UsageError, match="2 places"):
        find_app(root)


def test_android_and_ios_beside_each_other(app: Make) -> None:
    root = app(
        {
            "android/settings.gradle": "",
            "android/app/build.gradle": GROOVY_APP,
            "ios/project.yml": "name: Mine\n",
            "node_modules/other/android/settings.gradle": "",
            "ios/Pods/Other/project.yml": "name: Other\n",
        }
    )
    with pytest.raises(UsageError, match="2 places"):
        find_app(root)
    assert find_app(root / "android").platform == "android"
    assert find_app(root / "ios").folder == root / "ios/Resources"


@pytest.mark.parametrize("files", [{"README.md": "x"}, {"settings.gradle": "", "lib/build.gradle": "java"}])
def test_no_app(app: Make, files: dict[str, str]) -> None:
    root = app(files)
    with pytest.raises(UsageError, match="no app was found") as refused:
        find_app(root)
    assert refused.value.hint and "settings.gradle" in refused.value.hint
    with pytest.raises(UsageError, match="no such folder"):
        find_app(root / "nowhere")
    with pytest.raises(UsageError, match="is a file"):
        find_app(root / next(iter(files)))


PBXPROJ = """
    /* Begin XCRemoteSwiftPackageReference section */
    A1 /* XCRemoteSwiftPackageReference "executorch" */ = {
        isa = XCRemoteSwiftPackageReference;
        repositoryURL = "https://github.com/pytorch/executorch.git";
        requirement = { branch = "swiftpm-1.5.1"; kind = branch; };
    };
    B1 /* backend_xnnpack */ = { isa = XCSwiftPackageProductDependency; productName = backend_xnnpack; };
    B2 = { isa = XCSwiftPackageProductDependency; productName = kernels_optimized_debug; };
    C1 = { buildSettings = { IPHONEOS_DEPLOYMENT_TARGET = 16.4; OTHER_LDFLAGS = ("-all_load"); }; };
"""
RESOLVED = {
    "version": 2,
    "pins": [
        {"identity": "other", "location": "https://example.com/other", "state": {"branch": "swiftpm-9.9.9"}},
        {
            "identity": "executorch",
            "location": "https://github.com/pytorch/executorch",
            "state": {"branch": "swiftpm-1.5.1", "revision": "0"},
        },
    ],
}


def test_an_xcode_project(app: Make) -> None:
    resolved = "Shop.xcodeproj/project.xcworkspace/xcshareddata/swiftpm/Package.resolved"
    root = app({"Shop.xcodeproj/project.pbxproj": PBXPROJ, "Shop/App.swift": "", resolved: json.dumps(RESOLVED)})
    found = find_app(root)
    assert found.folder == root / "Shop/Resources"
    assert [(pin.version, pin.where.rpartition("/")[2]) for pin in apple.pins(found)] == [
        ("1.5.1", "Package.resolved"),
        ("1.5.1", "project.pbxproj"),
    ]
    assert apple.products(found) >= {"backend_xnnpack", "kernels_optimized"}
    assert "kernels_quantized" not in apple.products(found)
    assert apple.oldest_system(found) == 16 and apple.forces_load(found)


@pytest.mark.parametrize("named", ["Shop.xcodeproj", "Shop.xcworkspace"])
def test_the_project_may_be_named_itself(app: Make, named: str) -> None:
    root = app({"Shop.xcodeproj/project.pbxproj": PBXPROJ, "Shop.xcworkspace/x": "", "Shop/App.swift": ""})
    assert find_app(root / named).folder == root / "Shop/Resources"


def test_the_place_that_a_hint_names_is_there(app: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(app({"one/Shop.xcodeproj/x": "", "two/Game.xcodeproj/x": "", "two/Game/App.swift": ""}))
    with pytest.raises(UsageError, match="2 places") as refused:
        find_app(Path())
    assert refused.value.hint == "name one of them: one"
    assert find_app(Path("one")).folder == Path("one/Resources").absolute()


def test_a_swift_package(app: Make) -> None:
    text = """
        // .package(url: "https://github.com/pytorch/executorch.git", branch: "swiftpm-1.0.0")
        let package = Package(platforms: [.iOS(.v17)], dependencies: [
          .package(url: "https://github.com/pytorch/executorch.git", branch: "swiftpm-1.5.1")], targets: [
          .target(name: "App", dependencies: [.product(name: "backend_xnnpack", package: "executorch")],
            linkerSettings: [.unsafeFlags(["-Wl,-all_load"])])])
    """
    found = find_app(app({"Package.swift": text}))
    assert [pin.version for pin in apple.pins(found)] == ["1.5.1"]
    assert apple.oldest_system(found) == 17 and "backend_xnnpack" in apple.products(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("url: https://github.com/pytorch/executorch\nbranch: swiftpm-1.5.1-20261101", [None]),
        ("url: https://github.com/pytorch/executorch\nbranch: main", [None]),
        ("# url: https://github.com/pytorch/executorch\n# branch: swiftpm-1.5.1", []),
        ("url: https://github.com/pytorch/executorch-examples\nbranch: swiftpm-1.5.1", []),
        ("branch: swiftpm-1.5.1", []),
    ],
)
def test_what_a_project_yml_may_say(app: Make, text: str, expected: list[str | None]) -> None:
    assert [pin.version for pin in apple.pins(find_app(app({"project.yml": text})))] == expected


@pytest.mark.parametrize("own", [{}, {"Shop/Resources/a": ""}])
def test_resources_of_tests_are_no_place(app: Make, own: dict[str, str]) -> None:
    root = app({"Shop.xcodeproj/x": "", "Shop/App.swift": "", "ShopTests/Resources/b": "", **own})
    assert find_app(root).folder == root / "Shop/Resources"
    assert find_app(root / "ShopTests").folder == root / "ShopTests/Resources", "when it is asked for"


def test_several_resource_folders_are_listed(app: Make) -> None:
    root = app({"project.yml": "name: x", "One/Resources/a": "", "Two/Resources/b": ""})
    with pytest.raises(UsageError, match="2 places"):
        find_app(root)
    assert find_app(root / "One/Resources").folder == root / "One/Resources"
    assert find_app(root / "Two").folder == root / "Two/Resources"
