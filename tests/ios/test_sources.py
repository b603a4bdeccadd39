"""ios-demo as far as it can be checked without a Swift compiler: syntax, project, strings, pins. Compiles nothing."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("tree_sitter", reason="needs tree-sitter and tree-sitter-swift, which read Swift")
pytest.importorskip("tree_sitter_swift", reason="needs tree-sitter and tree-sitter-swift, which read Swift")
yaml = pytest.importorskip("yaml", reason="needs PyYAML, which reads project.yml")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and each other look them up by name
    spec.loader.exec_module(module)
    return module


swift = load("swift_sources")
calls = load("swift_calls")
FILES = swift.sources(swift.DEMO)
IN_PACKAGE = swift.sources(swift.PACKAGE / "Sources")
IN_APP = swift.sources(swift.APP / "Sources")
DECLARATIONS = swift.DEMO / "declarations"
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(swift.DEMO).as_posix())


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((swift.APP / "project.yml").read_text(encoding="utf-8"))
    return loaded


def catalog(name: str) -> dict[str, dict[str, str]]:
    """key -> language -> text"""
    raw = json.loads((swift.APP / "Resources/Shared" / name).read_bytes())
    assert raw["sourceLanguage"] == "en" and raw["version"] == "1.0"
    return {
        key: {language: unit["stringUnit"]["value"] for language, unit in entry["localizations"].items()}
        for key, entry in raw["strings"].items()
    }


# -- syntax


def test_there_are_sources() -> None:
    assert len(IN_PACKAGE) > 10 and len(IN_APP) > 10 and len(FILES) > 30


@every_file
def test_is_swift(path: Path) -> None:
    assert [str(swift.Place(path, one)) for one in swift.broken(swift.tree(path))] == []


@every_file
def test_has_no_mistake_that_the_grammar_lets_pass(path: Path) -> None:
    root = swift.tree(path)
    found = swift.redeclared(root) + swift.misplaced_tries(root)
    assert [str(swift.Place(path, one)) for one in found] == []


@every_file
def test_is_short_and_says_what_it_is(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 320 and max(map(len, lines)) <= 120
    assert lines[0].startswith("///" if path.name != "Package.swift" else "// swift-tools-version:5.9")


@pytest.mark.parametrize(
    "source",
    [
        b"func f( { }",
        b"struct A { let a: Int = }",
        b"let x = [1, 2",
    ],
)
def test_broken_swift_is_noticed(source: bytes) -> None:
    assert swift.broken(swift.parsed(source))


def test_the_checks_beside_the_grammar_notice_their_mistakes() -> None:
    twice = swift.parsed(b"func f() {\n  let a = g()\n  guard let a else { return }\n}\n")
    late = swift.parsed(b"func f() throws {\n  let a = b ? c : try d()\n}\n")
    right = swift.parsed(b"func f() throws {\n  guard let a else { return }\n  let b = try c ? d() : e()\n}\n")
    assert swift.redeclared(twice) and swift.misplaced_tries(late)
    assert not swift.redeclared(right) and not swift.misplaced_tries(right)


def test_calls_have_the_labels_of_their_declarations() -> None:
    ours = [path for path in FILES if DECLARATIONS not in path.parents]
    known = calls.declarations([swift.tree(path) for path in ours])
    assert len(known) > 200
    shipped = [path for path in ours if "Tests" not in path.parts]  # the tests call methods of Foundation by our names
    found = [str(swift.Place(path, one)) for path in shipped for one in calls.misfits(swift.tree(path), known)]
    assert found == []


@pytest.mark.parametrize(
    ("call", "fits"),
    [
        ("A(x: 1)", True),
        ("A(1)", False),
        ("A()", False),
        ("a.f(1, of: 2)", True),
        ("a.f(1)", True),
        ("a.f(1, at: 2)", False),
        ("a.f(of: 2, 1)", False),
        ("a.g { 1 }", True),
        ("a.g()", False),
    ],
)
def test_a_wrong_label_is_noticed(call: str, fits: bool) -> None:
    declared = "struct A {\n  let x: Int\n  func f(_ a: Int, of b: Int = 0) {}\n  func g(_ c: () -> Int) {}\n}\n"
    root = swift.parsed(f"{declared}let z = {call}\n".encode())
    assert (calls.misfits(root, calls.declarations([root])) == []) is fits


# -- the package


def test_the_package_imports_foundation_only() -> None:
    for path in IN_PACKAGE:
        assert swift.imports(swift.tree(path)) <= {"Foundation"}, path.name
    for path in swift.sources(swift.PACKAGE / "Tests"):
        assert swift.imports(swift.tree(path)) <= {"Foundation", "MobileKitRuntime", "XCTest"}, path.name


def test_the_package_uses_nothing_that_foundation_lacks_on_linux() -> None:
    lacking = {"autoreleasepool", "NSDictionary", "NSArray", "NSString", "NSKeyedUnarchiver", "os_log", "Logger"}
    lacking |= {"CFAbsoluteTimeGetCurrent", "CACurrentMediaTime", "Float16", "CGFloat", "CGSize", "CGRect", "MLModel"}
    for path in swift.sources(swift.PACKAGE):
        assert not swift.identifiers(swift.tree(path)) & lacking, path.name


def test_every_target_of_the_package_has_its_folder() -> None:
    text = (swift.PACKAGE / "Package.swift").read_text(encoding="utf-8")
    targets = re.findall(r"\.target\(\s*name: \"(\w+)\"", text)
    tests = re.findall(r"\.testTarget\(\s*name: \"(\w+)\"", text)
    assert targets == ["MobileKitRuntime"] and tests == ["MobileKitRuntimeTests"]
    assert sorted(path.name for path in (swift.PACKAGE / "Sources").iterdir()) == targets
    assert sorted(path.name for path in (swift.PACKAGE / "Tests").iterdir()) == tests
    assert re.findall(r"\.copy\(\"(\w+)\"\)", text) == ["Fixtures"]
    assert (swift.PACKAGE / "Tests/MobileKitRuntimeTests/Fixtures").is_dir()


def test_every_file_is_used() -> None:
    """A file none of whose names another one uses is left over. Tests and the app's entry are used by their kind."""
    others = {path: swift.identifiers(swift.tree(path)) for path in FILES}
    for path in (*IN_PACKAGE, *IN_APP):
        names = set(swift.top_level_names(swift.tree(path)))
        assert names, f"{path.name} declares nothing"
        if "@main" in path.read_text(encoding="utf-8"):
            continue
        assert any(names & used for other, used in others.items() if other != path), path.name


# -- the declarations that the app is compiled against on Linux


def test_the_declarations_are_those_of_what_the_app_imports() -> None:
    """`make swift-test` compiles the app against them; this says without a compiler that one is missing."""
    imported = set().union(*(swift.imports(swift.tree(path)) for path in IN_APP))
    declared = {path.name for path in (DECLARATIONS / "Sources").iterdir()}
    on_linux = {"Foundation", "Observation", "MobileKitRuntime"}
    below = {"FoundationAdditions", "QuartzCore"}  # which the others stand on
    assert imported - on_linux == declared - below
    manifest = (DECLARATIONS / "Package.swift").read_text(encoding="utf-8")
    assert set(re.findall(r'^    "(\w+)": \[', manifest, re.MULTILINE)) == declared
    assert (DECLARATIONS / "App").resolve() == swift.APP / "Sources"


def test_the_declarations_say_where_they_come_from() -> None:
    for path in swift.sources(DECLARATIONS / "Sources"):
        lines = path.read_text(encoding="utf-8").splitlines()
        head = " ".join(line.removeprefix("///").strip() for line in lines if line.startswith("///"))
        vendor = "ExecuTorch's headers" if path.parent.name == "ExecuTorch" else "Apple's documentation"
        assert f"Written down from {vendor}" in head and "nothing here does anything" in head, path.name


# -- the project

PROJECT_KEYS = {"name", "options", "packages", "targets", "schemes"}
OPTION_KEYS = {"minimumXcodeGenVersion", "bundleIdPrefix", "createIntermediateGroups", "developmentLanguage"}
TARGET_KEYS = {"type", "platform", "sources", "dependencies", "info", "settings"}
SOURCE_KEYS = {"path", "type", "buildPhase"}


def test_project_has_only_keys_that_xcodegen_knows(project: dict[str, Any]) -> None:
    """As XcodeGen's Docs/ProjectSpec.md lists them: it passes over a key that it does not know without a word."""
    assert set(project) == PROJECT_KEYS
    assert set(project["options"]) == OPTION_KEYS | {"deploymentTarget"}
    (target,) = project["targets"].values()
    assert set(target) == TARGET_KEYS and set(target["info"]) == {"path", "properties"}
    assert set(target["settings"]) == {"base"}
    for source in target["sources"]:
        assert set(source) <= SOURCE_KEYS and (swift.APP / source["path"]).is_dir()
    for dependency in target["dependencies"]:
        assert set(dependency) in ({"package"}, {"package", "product"}, {"sdk"})
        assert dependency.get("package") in {None, *project["packages"]}
    (scheme,) = project["schemes"].values()
    assert scheme == {"build": {"targets": dict.fromkeys(project["targets"], "all")}, "run": {"config": "Release"}}
    local = swift.APP / project["packages"]["MobileKitRuntime"]["path"]
    assert (local / "Package.swift").is_file()


def test_executorch_is_pinned_to_the_exporters_version(project: dict[str, Any]) -> None:
    pinned = project["packages"]["ExecuTorch"]["branch"].removeprefix("swiftpm-")
    exporter = re.search(r"^executorch==([\d.]+)", (swift.ROOT / "requirements.in").read_text(), re.MULTILINE)
    source = (swift.APP / "Sources/Runtimes/ExecuTorchRuntime.swift").read_text(encoding="utf-8")
    named = re.search(r'packageVersion = "([\d.]+)"', source)
    assert exporter and named and pinned == exporter[1] == named[1]


def test_the_runtime_claims_what_is_linked(project: dict[str, Any]) -> None:
    (target,) = project["targets"].values()
    products = {one["product"] for one in target["dependencies"] if one.get("package") == "ExecuTorch"}
    assert products == {"executorch", "backend_xnnpack", "backend_coreml", "kernels_optimized", "kernels_quantized"}
    source = (swift.APP / "Sources/Runtimes/ExecuTorchRuntime.swift").read_text(encoding="utf-8")
    assert 'let backends: Set<String> = ["XnnpackBackend", "CoreMLBackend"]' in source
    assert "-all_load" in target["settings"]["base"]["OTHER_LDFLAGS"].split()


def test_only_one_file_imports_each_runtime() -> None:
    importing = {
        name: [path.name for path in IN_APP if name in swift.imports(swift.tree(path))]
        for name in ("ExecuTorch", "CoreML")
    }
    assert importing == {"ExecuTorch": ["ExecuTorchRuntime.swift"], "CoreML": ["CoreMLRuntime.swift"]}


def test_the_bundle_has_its_place(project: dict[str, Any]) -> None:
    (target,) = project["targets"].values()
    (place,) = [source for source in target["sources"] if source.get("type") == "folder"]
    assert place == {"path": "Resources/mobilekit", "type": "folder", "buildPhase": "resources"}
    tracked = subprocess.run(
        ["git", "ls-files", "Resources/mobilekit"], cwd=swift.APP, capture_output=True, text=True, check=False
    )
    if tracked.returncode == 0:
        assert tracked.stdout.split() == ["Resources/mobilekit/.gitkeep"], "no bundle is committed"
    loader = (swift.APP / "Sources/App/BundleLoader.swift").read_text(encoding="utf-8")
    assert 'static let folder = "mobilekit"' in loader


def test_each_permission_that_is_asked_for_is_explained(project: dict[str, Any]) -> None:
    (target,) = project["targets"].values()
    explained = {key: value for key, value in target["info"]["properties"].items() if key.endswith("UsageDescription")}
    used = "".join(path.read_text(encoding="utf-8") for path in IN_APP)
    asked = {
        "NSCameraUsageDescription": "requestAccess(for: .video)" in used,
        "NSMicrophoneUsageDescription": "requestRecordPermission()" in used,
    }
    assert set(explained) == {key for key, is_asked in asked.items() if is_asked} and all(explained.values())
    translated = catalog("InfoPlist.xcstrings")
    assert {key: translated[key]["en"] for key in explained} == explained
    assert all(set(texts) == {"en", "de"} for texts in translated.values())
    assert target["info"]["properties"]["CFBundleLocalizations"] == ["en", "de"]


# -- strings

SHOWS = {"Text", "Label", "Button", "Section", "ProgressView", "LabeledContent", "Picker", "navigationTitle", "row"}
SHOWS |= {"DeniedView", "String"}
NOT_SHOWN = {"verbatim", "systemImage", "systemName", "value", "decoding", "contentsOf"}


def shown() -> dict[str, str]:
    """Every key that the app's views and models look up, and where."""
    keys = {}
    for path in IN_APP:
        for literal in swift.nodes(swift.tree(path), "line_string_literal"):
            calls, argument = swift.callee(literal), swift.label(literal)
            titles = literal.parent is not None and literal.parent.type == "control_transfer_statement"
            is_shown = calls in SHOWS and argument not in NOT_SHOWN and (calls != "String" or argument == "localized")
            if is_shown or (titles and path.parent.name == "Screens"):
                keys[swift.localized_key(literal)] = str(swift.Place(path, literal))
    return keys


def test_every_string_on_a_screen_is_translated() -> None:
    texts, keys = catalog("Localizable.xcstrings"), shown()
    assert len(keys) > 40
    assert {key: place for key, place in keys.items() if key not in texts} == {}
    assert sorted(key for key in texts if key not in keys) == [], "translated, but on no screen"
    assert all(set(languages) == {"de"} and languages["de"].strip() for languages in texts.values())


def test_translations_keep_what_is_filled_in() -> None:
    for key, languages in catalog("Localizable.xcstrings").items():
        assert len(re.findall(r"%(?:\d\$)?@", languages["de"])) == key.count("%@"), key
        assert "%" not in key.replace("%@", ""), f"{key}: a percent sign would be read as a placeholder"


def test_no_other_sentence_is_written_into_a_view() -> None:
    """Literals with a space in the views are looked up, or are symbols, commands and errors by their call."""
    allowed = {"appendingPathComponent", "Problem", "InputError", "RunnerError", "BundleError"}
    for path in IN_APP:
        if path.parent.name not in ("App", "Screens"):
            continue
        for literal in swift.nodes(swift.tree(path), "line_string_literal"):
            key = swift.localized_key(literal)
            known = key in catalog("Localizable.xcstrings") or swift.label(literal) in NOT_SHOWN | {"hint"}
            is_unit = key.strip() in ("ms", "%@", "%@ %@")
            assert " " not in key or known or is_unit or swift.callee(literal) in allowed, swift.Place(path, literal)
