"""What a library registers is read from its bytes; the shipped tables are those of the real libraries."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.embed.aar import read_aar, read_wheel, registered, united
from mobilekit.embed.runtimes import known
from mobilekit.embed.table import main
from mobilekit.errors import UsageError


def wheel() -> Path:
    spec = find_spec("executorch")
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places or not (Path(places[0]) / "lib" / "libexecutorch.so").is_file():
        pytest.skip("this installation of ExecuTorch has no shared libraries")
    return Path(places[0])


@pytest.fixture
def real_aar(tmp_path: Path) -> Path:
    """An AAR's layout with real libraries of ExecuTorch in it: those of the wheel."""
    path = tmp_path / "executorch.aar"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("AndroidManifest.xml", "<manifest/>")
        for file in sorted((wheel() / "lib").glob("*.so")):
            archive.write(file, f"jni/x86_64/{file.name}")
    return path


def test_the_shipped_tables_are_those_of_the_wheels_libraries() -> None:
    installed = version("executorch")
    products = read_wheel(wheel())
    for platform in ("android", "apple"):
        tables = known(platform)
        assert installed in tables, "make it: python -m mobilekit.embed.table FOLDER --wheel --version VERSION"
        assert tables[installed].products == products


def test_a_real_android_build_has_what_the_wheel_has() -> None:
    """Of an older release; what the wheel's table rests on is that both are built from the same lists."""
    real = known("android")["1.1.0"].products
    later = united(known("android")["1.5.1"].products.values())
    missing = set(united(real.values()).operators) - set(later.operators)
    assert {name for name in missing if not name.startswith("llama::")} == set()


def test_a_table_of_known_names() -> None:
    for platform in ("android", "apple"):
        for table in known(platform).values():
            kit = united(table.products.values())
            assert kit.backends == ("XnnpackBackend",)
            assert {"aten::add.out", "aten::mean.out", "quantized_decomposed::quantize_per_tensor.out"} <= {
                *kit.operators
            }
            assert table.source


def test_an_aar_with_real_libraries(real_aar: Path) -> None:
    kit = read_aar(real_aar)
    assert set(united(known("android")[version("executorch")].products.values()).operators) <= set(kit.operators)
    assert "XnnpackBackend" in kit.backends and "InitBackend" not in kit.backends
    assert not any(name.startswith(("vector::", "basic_string::")) for name in kit.operators)


def test_the_script_prints_a_table(real_aar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(real_aar), "--version", "9.9.9"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["version"], printed["source"]) == ("9.9.9", "read from executorch.aar")
    assert main(["nowhere.aar", "--version", "1"]) == 2
    assert "no such file" in capsys.readouterr().err


def test_the_script_runs_as_a_module(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mobilekit.embed.table", "--help"],
        capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert "--wheel" in done.stdout and done.stderr == ""


def test_what_is_no_aar(tmp_path: Path) -> None:
    for content, says in ((b"", "not an AAR"), (b"PK\x03\x04 cut", "not an AAR")):
        path = tmp_path / "some.aar"
        path.write_bytes(content)
        with pytest.raises(UsageError, match=says):
            read_aar(path)
    with pytest.raises(UsageError, match="no such file"):
        read_aar(tmp_path / "nowhere.aar")
    with pytest.raises(UsageError, match="not an AAR"):
        read_aar(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("classes.jar", b"x", "no libraries for arm64-v8a or x86_64"),
        ("jni/armeabi-v7a/libexecutorch.so", b"x", "no libraries for arm64-v8a or x86_64"),
        ("jni/arm64-v8a/libother.so", b"nothing", "no ExecuTorch library"),
    ],
)
def test_an_aar_of_something_else(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / "other.aar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    with pytest.raises(UsageError, match=says):
        read_aar(path)


def test_a_library_outside_an_aar(tmp_path: Path) -> None:
    path = tmp_path / "libexecutorch.so"
    path.write_bytes(b"\x7fELF\0aten::add.out\0")
    assert read_aar(path).operators == ("aten::add.out",)


def test_a_magic_number_before_a_backends_name() -> None:
    """So it stands in Android's real libraries: the number has no end of its own."""
    assert registered(b"\0\0XH00XnnpackBackend\0VulkanBackend\0InitBackend\0").backends == (
        "VulkanBackend",
        "XnnpackBackend",
    )
    assert registered(b"\0NoXnnpackBackend here\0xXnnpackBackend\0").backends == ()


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    kit = registered(data + b"\0aten::add.out\0XnnpackBackend\0")
    assert "aten::add.out" in kit.operators and "XnnpackBackend" in kit.backends
    assert registered(b"xaten::add.out\0 aten::mul.out\0").operators == ()
