"""The check of the app's runtime: its version, its operators and backends, and what cannot be told."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from mobilekit.embed import embed
from mobilekit.embed.check import _promised
from mobilekit.errors import Incompatible, Inconclusive, UnknownName, UsageError

Make = Callable[[Mapping[str, str]], Path]
PINNED = 'executorch = "1.5.1"'


def catalog(version: str) -> dict[str, str]:
    return {
        "gradle/libs.versions.toml": f"""
            [versions]
            executorch = "{version}"
            [libraries]
            executorch-android = {{ module = "org.pytorch:executorch-android", version.ref = "executorch" }}
            [plugins]
            android-application = "com.android.application:8.7.3"
            """
    }


def needing(bundle: Path, target: str = "xnnpack", **needs: Any) -> Path:
    """The bundle with other needs of its int8 artifact of `target`."""
    raw = json.loads((bundle / "bundle.json").read_text())
    for one in raw["artifacts"]:
        if (one["target"], one["scheme"]) == (target, "int8"):
            one.update(needs)
    (bundle / "bundle.json").write_text(json.dumps(raw))
    return bundle


def words(done: Any, level: str) -> str:
    return " | ".join(one.words for one in done.findings if one.level == level)


def aar(path: Path, *names: str, file: str = "jni/arm64-v8a/libexecutorch.so") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(file, b"\x7fELF\0\0" + b"".join(name.encode() + b"\0" for name in names))
    return path


def test_what_fits_passes(android: Path, ios: Path, bundle: Path) -> None:
    done = embed(bundle, android)
    assert {one.level for one in done.findings} == {"passed"}
    assert {f"{one.target} {why}" for one, why in done.left_out} == {
        "onnx the app does not depend on com.microsoft.onnxruntime:onnxruntime-android",
        "coreml coreml is not for Android",
    }
    done = embed(bundle, ios)
    assert {one.level for one in done.findings} == {"passed"}
    assert [one.target for one in done.artifacts] == ["xnnpack", "xnnpack", "coreml"]


@pytest.mark.parametrize("version", ["1.5.0", "1.4.1", "0.7.0", "1.5.1rc1"])
def test_a_runtime_that_is_too_old(android_with: Make, bundle: Path, picture: Any, version: str) -> None:
    root = android_with(catalog(version))
    before = picture(root)
    with pytest.raises(Incompatible) as refused:
        embed(bundle, root)
    assert refused.value.exit_code == 1
    assert f"needs executorch 1.5.1 or later; the app has {version} (gradle/libs.versions.toml)" in str(refused.value)
    assert "org.pytorch:executorch-android:1.5.1" in str(refused.value.hint)
    assert picture(root) == before
    done = embed(bundle, root, force=True)
    assert done.outcome == "embedded" and "needs executorch 1.5.1" in words(done, "failed")


@pytest.mark.parametrize(
    ("version", "level"), [("1.5.1", "passed"), ("1.5.7", "unknown"), ("1.6.0", "unknown"), ("1.9.0", "unknown")]
)
def test_a_version_that_is_not_known_here_is_no_pass(
    android_with: Make, bundle: Path, version: str, level: str
) -> None:
    done = embed(bundle, android_with(catalog(version)), dry_run=True)
    operators = [one for one in done.findings if "operators" in one.words and "not known" in one.words]
    assert bool(operators) == (level == "unknown")
    assert ("not promised" in words(done, "unknown")) == (version == "1.9.0")


def test_strict_refuses_what_cannot_be_told(android_with: Make, bundle: Path, picture: Any) -> None:
    root = android_with(catalog("1.6.0"))
    before = picture(root)
    with pytest.raises(Inconclusive, match="is not known here") as refused:
        embed(bundle, root, strict=True)
    assert refused.value.exit_code == 3 and "--aar" in str(refused.value.hint)
    assert picture(root) == before


@pytest.mark.parametrize(
    ("made", "runs", "expected"),
    [
        ("1.5.1", "1.5.1", True),
        ("1.5.1", "1.5.9", True),
        ("1.5.1", "1.6.0", True),
        ("1.5.1", "1.7.0", False),
        ("1.5.1", "2.0.0", True),
        ("1.5.1", "2.1.0", False),
        ("1.5.1", "3.0.0", False),
    ],
)
def test_what_executorch_promises(made: str, runs: str, expected: bool) -> None:
    assert _promised(Version(made), Version(runs)) is expected


def test_a_missing_operator_and_a_missing_backend(android: Path, bundle: Path) -> None:
    needing(bundle, operators=["aten::mean.out", "my::op.out"], backends=["XnnpackBackend", "VulkanBackend"])
    with pytest.raises(Incompatible, match=r"needs backend VulkanBackend and operator my::op\.out"):
        embed(bundle, android)
    assert embed(bundle, android, artifacts=["xnnpack:fp32"]).outcome == "embedded"


def test_an_aar_that_is_named_decides(android_with: Make, bundle: Path, tmp_path: Path) -> None:
    root = android_with(catalog("1.6.0"))
    good = aar(tmp_path / "good.aar", "aten::mean.out", "XnnpackBackend")
    assert "read from good.aar" in words(embed(bundle, root, aar=good, strict=True), "passed")
    poor = aar(tmp_path / "poor.aar", "aten::add.out", "XnnpackBackend")
    with pytest.raises(Incompatible, match=r"operator aten::mean\.out"):
        embed(bundle, root, aar=poor)


@pytest.mark.parametrize(
    "place",
    [
        ".gradle/caches/modules-2/files-2.1/org.pytorch/executorch-android/1.6.0/0a1b/executorch-android-1.6.0.aar",
        ".m2/repository/org/pytorch/executorch-android/1.6.0/executorch-android-1.6.0.aar",
    ],
)
def test_an_aar_that_was_downloaded_is_read(
    android_with: Make, bundle: Path, nothing_downloaded: Path, place: str
) -> None:
    file = nothing_downloaded / place
    file.parent.mkdir(parents=True)
    aar(file, "aten::mean.out", "XnnpackBackend")
    root = android_with(catalog("1.6.0"))
    assert f"read from {file.name}" in words(embed(bundle, root, strict=True), "passed")
    file.write_bytes(b"half a download")
    assert f"{file.name}: not an AAR that can be read" in words(embed(bundle, root), "unknown")


def test_an_aar_is_for_android(ios: Path, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is for Android"):
        embed(bundle, ios, aar=aar(tmp_path / "x.aar", "aten::mean.out"))


def test_an_aar_in_the_module_is_read(android_with: Make, bundle: Path) -> None:
    text = 'plugins { id("com.android.application") }\ndependencies { implementation(files("libs/executorch.aar")) }'
    root = android_with({"app/build.gradle.kts": text, "app/libs/x": ""})
    aar(root / "app/libs/executorch.aar", "aten::mean.out", "XnnpackBackend")
    done = embed(bundle, root)
    assert "read from executorch.aar" in words(done, "passed")
    assert "does not say which version" in words(done, "unknown")


def test_an_app_without_the_runtime_is_told_what_to_add(android_with: Make, bundle: Path) -> None:
    root = android_with({"app/build.gradle.kts": 'plugins { id("com.android.application") }'})
    (finding,) = embed(bundle, root).findings
    assert (
        finding.level == "unknown" and finding.hint == 'add it: implementation("org.pytorch:executorch-android:1.5.1")'
    )


def test_several_versions_are_not_chosen_between(android_with: Make, bundle: Path) -> None:
    text = """
        plugins { id("com.android.application") }
        implementation(libs.executorch.android)
        testImplementation("org.pytorch:executorch-android:1.4.0")
        """
    done = embed(bundle, android_with({"app/build.gradle.kts": text}), dry_run=True)
    assert "several versions" in words(done, "unknown") and "1.4.0 in app/build.gradle.kts" in words(done, "unknown")


@pytest.mark.parametrize(("version", "passes"), [("1.20.0", True), ("1.13.1", False)])
def test_onnx_goes_where_its_runtime_is(android_with: Make, bundle: Path, version: str, passes: bool) -> None:
    text = f"""
        plugins {{ id("com.android.application") }}
        implementation(libs.executorch.android)
        implementation("com.microsoft.onnxruntime:onnxruntime-android:{version}")
        """
    root = android_with({"app/build.gradle.kts": text})
    assert [one.target for one in embed(bundle, root, dry_run=True).artifacts] == ["xnnpack", "xnnpack"], "it failed"
    needing(bundle, "onnx", verification=None)
    if passes:
        assert [one.target for one in embed(bundle, root).artifacts] == ["xnnpack", "xnnpack", "onnx"]
    else:
        with pytest.raises(Incompatible, match=r"onnx int8 needs onnxruntime 1\.14 or later"):
            embed(bundle, root)


def test_named_artifacts(android: Path, ios: Path, bundle: Path) -> None:
    with pytest.raises(UsageError, match="coreml is not for Android"):
        embed(bundle, android, artifacts=["coreml:fp16"])
    with pytest.raises(UsageError, match="onnxruntime is not for iOS"):
        embed(bundle, ios, artifacts=["onnx:int8"])
    with pytest.raises(UsageError, match="it stays on the desk"):
        embed(bundle, android, artifacts=["eager:fp32"])
    with pytest.raises(UsageError, match="must be TARGET:SCHEME"):
        embed(bundle, android, artifacts=["xnnpack"])
    with pytest.raises(UnknownName, match="did you mean 'xnnpack'"):
        embed(bundle, android, artifacts=["xnpack:int8"])
    done = embed(bundle, android, artifacts=["onnx:int8"])
    assert "does not depend on com.microsoft.onnxruntime" in words(done, "unknown")
    (hint,) = [one.hint for one in done.findings if one.hint]
    assert 'onnxruntime-android:1.14.0")' in hint, "as its releases are called"


def test_what_failed_verification_is_left_out(android: Path, bundle: Path) -> None:
    check = {"name": "top1_drop", "value": 9.0, "threshold": 1.0, "bound": "at most", "passed": False}
    metrics = {
        "samples": 1, "top1": None, "top1_eager": None, "agreement": 0.0, "sqnr_db": 1.0, "max_abs_error": 1.0,
        "nonfinite": 0,
    }  # fmt: skip
    needing(
        bundle,
        verification={"executed": True, "reason": None, "runner": "pte", "metrics": metrics, "checks": [check]},
    )
    done = embed(bundle, android)
    assert [one.scheme for one in done.artifacts] == ["fp32"]
    assert "it failed verification" in {why for _, why in done.left_out}
    assert [one.scheme for one in embed(bundle, android, artifacts=["xnnpack:int8"]).artifacts] == ["int8"]


def test_nothing_fits(android: Path, bundle: Path) -> None:
    raw = json.loads((bundle / "bundle.json").read_text())
    raw["artifacts"] = [one for one in raw["artifacts"] if one["target"] in ("eager", "coreml")]
    (bundle / "bundle.json").write_text(json.dumps(raw))
    with pytest.raises(UsageError, match="nothing in it fits this app: coreml fp16: coreml is not for Android"):
        embed(bundle, android)


def test_products_that_the_ios_app_does_not_link(ios_with: Any, bundle: Path) -> None:
    product = """
              - package: ExecuTorch
                product: kernels_optimized"""
    with pytest.raises(Incompatible, match=r"operator aten::mean\.out") as refused:
        embed(bundle, ios_with((product, "")))
    assert refused.value.hint == "link the product kernels_optimized"
    with pytest.raises(Incompatible, match="backend XnnpackBackend") as refused:
        embed(bundle, ios_with(("backend_xnnpack", "backend_coreml")))
    assert refused.value.hint == "link the product backend_xnnpack"


def test_an_old_system_an_old_package_and_no_flag(ios_with: Any, bundle: Path) -> None:
    with pytest.raises(Incompatible, match="coreml fp16 needs iOS17; the app runs on iOS 16 too"):
        embed(bundle, ios_with(('iOS: "17.0"', 'iOS: "16.0"')))
    with pytest.raises(Incompatible, match=r"xnnpack fp32 needs executorch 1\.5\.1 or later; the app has 1\.4\.0"):
        embed(bundle, ios_with(("swiftpm-1.5.1", "swiftpm-1.4.0")))
    done = embed(bundle, ios_with((" -all_load", ""), ('iOS: "17.0"', "")), dry_run=True)
    assert "keeps backends and kernels" in words(done, "unknown") and "was not found" in words(done, "unknown")
    done = embed(bundle, ios_with(("swiftpm-1.5.1", "swiftpm-1.6.0")), dry_run=True)
    assert "is not known here" in words(done, "unknown")
    done = embed(bundle, ios_with(("pytorch/executorch", "mine/fork")), dry_run=True)
    assert "does not name ExecuTorch's Swift package" in words(done, "unknown")
