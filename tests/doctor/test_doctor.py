"""Doctor says what is there, names what is not with the command that mends it, and survives what is broken."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from mobilekit import doctor
from mobilekit.doctor import Finding, Probe, diagnose, healthy


def by_name(findings: tuple[Finding, ...] | list[Finding]) -> dict[tuple[str, str], Finding]:
    return {(finding.area, finding.name): finding for finding in findings}


def distribution(folder: Path, name: str, version: str, requires: str = "") -> None:
    """An installed distribution's metadata; the first one on the path counts."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    lines = "".join(f"Requires-Dist: {one}\n" for one in requires.splitlines())
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}")


def test_this_machine_is_well_and_answers_at_once() -> None:
    started = time.monotonic()
    findings = diagnose(quick=True)
    assert time.monotonic() - started < 10
    assert healthy(findings), [finding for finding in findings if finding.cure]
    found = by_name(findings)
    assert found["python", "Python"].detail.startswith(platform.python_version())
    assert found["package", "torch"].status == "ok"
    execute = found["core ml", "execute"]
    assert execute.status == ("ok" if platform.system() == "Darwin" else "unavailable-here")


def test_what_compiled_runners_lack_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    found = by_name(list(doctor._compiled()))
    assert {one.status for one in found.values()} <= {"ok", "unavailable-here"}
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CXX", raising=False)
    without = by_name(list(doctor._compiled()))
    assert healthy(without.values())
    native = without["runner", "native"]
    assert (native.status, "CMake" in native.detail) == ("unavailable-here", True)
    assert (native.cure or "").startswith("apt install cmake g++")


def test_quick_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mobilekit.doctor import diagnose; diagnose(quick=True); "
        "print(sorted({'torch', 'executorch', 'coremltools', 'onnxruntime', 'torchvision'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_the_whole_examination_runs_what_it_names() -> None:
    found = by_name(diagnose())
    assert healthy(found.values()), [finding for finding in found.values() if finding.cure]
    assert "XnnpackBackend" in found["runtime", "ExecuTorch with XNNPACK"].detail
    assert "CPUExecutionProvider" in found["runtime", "ONNX Runtime"].detail
    assert found["accelerator", "for training"].status == "ok"


def test_a_missing_and_an_old_package_are_named_with_their_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path, "mobilekit", "0.1.0", "torch>=2.14.1\nnobodys-package>=3\nother; sys_platform == 'none'")
    distribution(tmp_path, "torch", "2.0.1")
    monkeypatch.syspath_prepend(str(tmp_path))
    findings = diagnose(quick=True)
    found = by_name(findings)
    assert found["package", "torch"] == Finding(
        area="package",
        name="torch",
        status="broken",
        detail="2.0.1, needed: >=2.14.1",
        cure="pip install 'torch>=2.14.1'",
    )
    assert found["package", "nobodys-package"].status == "missing"
    assert found["package", "nobodys-package"].cure == "pip install 'nobodys-package>=3'"
    assert ("package", "other") not in found
    assert not healthy(findings)


def probe(name: str, code: str) -> Probe:
    return Probe("test", name, code, "torch")


def test_a_probe_that_fails_crashes_or_ends_the_process_is_named_and_the_rest_still_runs() -> None:
    findings = doctor._run(
        [
            probe("good", "print('noise'); print('detail')"),
            probe("error", "raise ImportError('libx.so: cannot open shared object file\\nmore')"),
            probe("crash", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"),
            probe("exit", "import os; os._exit(3)"),
            probe("sys.exit", "import sys; sys.exit('no')"),
            probe("silent", "pass"),
            probe("writes to descriptor 1", "import os; os.write(1, b'[true, 1]\\n'); print('still good')"),
        ]
    )
    assert [(one.name, one.status, one.detail) for one in findings] == [
        ("good", "ok", "detail"),
        ("error", "broken", "ImportError: libx.so: cannot open shared object file"),
        ("crash", "broken", "its process died of signal 11"),
        ("exit", "broken", "its process ended with exit code 3"),
        ("sys.exit", "broken", "SystemExit: no"),
        ("silent", "broken", "IndexError: list index out of range"),
        ("writes to descriptor 1", "ok", "still good"),
    ]
    assert findings[1].cure is not None
    assert findings[1].cure.startswith("pip install --force-reinstall 'torch>=")


def test_a_probe_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PROBE_SECONDS", 1.0)
    (hanging,) = doctor._run([probe("hangs", "import time; time.sleep(60)")])
    assert (hanging.status, hanging.detail) == ("broken", "no answer within 1 s")


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir(mode=0o500)
    monkeypatch.setenv("MOBILEKIT_DATA", str(tmp_path / "data"))
    found = by_name(diagnose(quick=True))["disk", "data cache"]
    assert found.status == "broken"
    assert "not writable" in found.detail


def test_a_data_cache_that_is_not_there_yet_is_judged_by_the_folder_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOBILEKIT_DATA", str(tmp_path / "not" / "yet"))
    found = by_name(diagnose(quick=True))["disk", "data cache"]
    assert found.detail.startswith(f"{tmp_path / 'not' / 'yet'}: ")
    assert not (tmp_path / "not").exists()


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOBILEKIT_DATA", str(tmp_path))
    monkeypatch.setattr(doctor, "_ROOM_BYTES", 1 << 62)
    found = by_name(diagnose(quick=True))["disk", "data cache"]
    assert found.status == "broken"
    assert found.cure == "export MOBILEKIT_DATA=FOLDER that you may write to, with room"


def test_what_is_missing_or_broken_has_a_cure() -> None:
    with pytest.raises(ValidationError, match="says what mends it"):
        Finding(area="a", name="b", status="missing", detail="c")
