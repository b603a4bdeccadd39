"""The Swift package's fixtures are what make_fixtures.py makes today, small, and able to fail."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from types import ModuleType

import jsonschema
import numpy as np
import pytest

from mobilekit.bundle import Bundle
from mobilekit.preprocess.image import normalize, to_pixels
from mobilekit.spec import ImagePreprocess

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "ios-demo/MobileKitRuntime/Tests/MobileKitRuntimeTests/Fixtures"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_ios_fixtures", Path(__file__).with_name("make_fixtures.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_committed_fixtures_are_those_of_today(script: ModuleType, tmp_path: Path) -> None:
    script.make(tmp_path / "made")
    made, committed = contents(tmp_path / "made"), contents(FIXTURES)
    assert sorted(made) == sorted(committed), "run: python tests/ios/make_fixtures.py"
    different = [name for name, data in made.items() if committed[name] != data]
    assert not different, f"{different}: run python tests/ios/make_fixtures.py"


def test_fixtures_are_small() -> None:
    assert sum(len(data) for data in contents(FIXTURES).values()) < 1_000_000


def test_the_bundle_is_one_for_python_too() -> None:
    bundle = Bundle.load(FIXTURES / "bundle", check=False)
    sample = bundle.manifest.golden[0]
    assert sample.pixels is not None and isinstance(bundle.manifest.preprocess, ImagePreprocess)
    made = normalize(
        to_pixels(bundle.golden_tensor(sample.pixels), bundle.manifest.preprocess), bundle.manifest.preprocess
    )
    assert np.array_equal(made, bundle.golden_tensor(sample.inputs[0]))


@pytest.mark.parametrize(
    "change",
    [
        {"color": "BGR"},
        {"mean": (0.01, 0.0, 0.0)},
        {"layout": "NHWC"},
        {"resize": {"antialias": False}},
        {"resize": {"interpolation": "bicubic"}},
    ],
    ids=str,
)
def test_the_golden_picture_shows_each_mistake_that_the_swift_tests_make(change: dict[str, object]) -> None:
    """GoldenCheckTests.swift changes these fields and expects a failure: so the values must really differ."""
    bundle = Bundle.load(FIXTURES / "bundle", check=False)
    spec, sample = bundle.manifest.preprocess, bundle.manifest.golden[0]
    assert isinstance(spec, ImagePreprocess) and spec.resize and sample.pixels is not None
    if isinstance(change.get("resize"), dict):
        change = {"resize": spec.resize.model_copy(update=change["resize"])}
    wrong = spec.model_copy(update=change)
    made = normalize(to_pixels(bundle.golden_tensor(sample.pixels), wrong), wrong)
    golden = bundle.golden_tensor(sample.inputs[0])
    assert made.shape != golden.shape or np.abs(made - golden).max() > 100 * sample.input_max_abs_error


def test_what_the_swift_tests_change_is_there() -> None:
    text = (FIXTURES / "bundle/bundle.json").read_text(encoding="utf-8")
    golden = (FIXTURES.parent / "GoldenCheckTests.swift").read_text(encoding="utf-8")
    contract = (FIXTURES.parent / "ModelBundleTests.swift").read_text(encoding="utf-8")
    changed = re.findall(r'\("((?:\\"|[^"])+)", "\\"', golden) + re.findall(r'rewrite\("((?:\\"|[^"])+)"', contract)
    assert len(changed) >= 8
    assert [one for one in changed if text.count(one.replace('\\"', '"')) != 1] == []


def test_shared_results_follow_the_published_schema() -> None:
    schema = ROOT / "docs/device-bench.schema.json"
    if not schema.is_file():
        pytest.skip("docs/device-bench.schema.json is not there yet")
    jsonschema.validate(json.loads((FIXTURES / "device-bench.json").read_bytes()), json.loads(schema.read_bytes()))


def test_a_changed_fixture_is_noticed(script: ModuleType, tmp_path: Path) -> None:
    shutil.copytree(FIXTURES, tmp_path / "copy")
    (tmp_path / "copy/stream.json").write_text("{}")
    assert contents(tmp_path / "copy") != contents(FIXTURES)
