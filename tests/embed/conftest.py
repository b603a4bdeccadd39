"""Small apps of every shape that embed knows, a bundle to put into them, and a picture of a tree, byte for byte."""

from __future__ import annotations

import os
import shutil
import stat
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "bundle"

ANDROID = {
    "settings.gradle.kts": 'include(":app")\n',
    "build.gradle.kts": "plugins { alias(libs.plugins.android.application) apply false }\n",
    "gradle/libs.versions.toml": """
        [versions]
        executorch = "1.5.1"

        [libraries]
        executorch-android = { module = "org.pytorch:executorch-android", version.ref = "executorch" }

        [plugins]
        android-application = { id = "com.android.application", version = "8.7.3" }
        """,
    "app/build.gradle.kts": """
        plugins { alias(libs.plugins.android.application) }
        dependencies { implementation(libs.executorch.android) }
        """,
    "app/src/main/AndroidManifest.xml": "<manifest/>\n",
}
IOS = {
    "project.yml": """
        name: Demo
        options:
          deploymentTarget:
            iOS: "17.0"
        packages:
          ExecuTorch:
            url: https://github.com/pytorch/executorch
            branch: swiftpm-1.5.1
        targets:
          Demo:
            type: application
            platform: iOS
            sources: [Sources]
            settings:
              base:
                OTHER_LDFLAGS: $(inherited) -all_load
            dependencies:
              - package: ExecuTorch
                product: executorch
              - package: ExecuTorch
                product: backend_xnnpack
              - package: ExecuTorch
                product: kernels_optimized
              - package: ExecuTorch
                product: kernels_quantized
        """,
    "Sources/App.swift": "import SwiftUI\n",
    "Resources/mobilekit/.gitkeep": "",
}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return folder


def _picture(folder: Path) -> dict[str, tuple[str, bytes]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = os.lstat(path).st_mode
        content = path.read_bytes() if stat.S_ISREG(mode) else b""
        found[path.relative_to(folder).as_posix()] = (stat.filemode(mode), content)
    return found


@pytest.fixture
def picture() -> Callable[[Path], dict[str, tuple[str, bytes]]]:
    """Everything below a folder: what it is, with its permissions, and its bytes."""
    return _picture


@pytest.fixture
def android(tmp_path: Path) -> Path:
    return write(tmp_path / "android", ANDROID)


@pytest.fixture
def ios(tmp_path: Path) -> Path:
    return write(tmp_path / "ios", IOS)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """xnnpack fp32 and int8, onnx int8 and coreml fp16, with golden samples."""
    return Path(shutil.copytree(GOLDEN, tmp_path / "bundle"))


@pytest.fixture
def app(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Write an app of one's own."""
    return lambda files: write(tmp_path / "mine", files)


@pytest.fixture
def android_with(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """The Android app, with other files over its own."""
    return lambda files: write(tmp_path / "changed", {**ANDROID, **files})


@pytest.fixture
def ios_with(tmp_path: Path) -> Callable[..., Path]:
    """The iOS app, with pieces of its project.yml replaced."""

    def make(*changes: tuple[str, str]) -> Path:
        text = IOS["project.yml"]
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return write(tmp_path / "changed", {**IOS, "project.yml": text})

    return make


@pytest.fixture(autouse=True)
def nothing_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without Gradle's and Maven's downloads: what this machine happens to have decides no test."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home
