"""The driving of a device, by a stand-in `adb` that keeps what it is asked and runs it here, Arm programs in QEMU.

No device was at hand: what Android itself may do differently is not tested.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mobilekit.bundle.etdump import read_etdump
from mobilekit.errors import RunnerError, SetupError, UsageError
from mobilekit.progress import SILENT
from mobilekit.runners import Effort, Worker, runner
from mobilekit.runners.adb import AdbRunner
from mobilekit.runners.android import EXECUTORCH, NDK
from mobilekit.runners.arm64 import COMPILER, LIBRARIES, missing_for_arm
from mobilekit.runners.build import executorch_version
from mobilekit.runners.wheel import aarch64_executorch

BRIEF = Effort(warmup=1, min_runs=3, min_seconds=0, max_runs=3)
STAND_IN = r"""#!/bin/sh
device='@DEVICE@'
printf '%s\n' "$*" >> "$device/asked"
[ "$1" = -s ] && shift 2
case "$1" in
  get-state) cat "$device/state"; exit ;;
  push) exec cp "$2" "$device/root$3" ;;
  shell) shift 2 ;;
  exec-out) shift ;;
esac
command=$(printf '%s' "$*" | sed -e "s#/data/local/tmp#$device/root/data/local/tmp#g" \
  -e "s#/sys/devices#$device/root/sys/devices#g" -e 's#\(&& \)\(/[^ ]*/ld-linux-aarch64\)#\1qemu-aarch64 \2#' \
  -e 's#\(LD_LIBRARY_PATH=\)\([^ ]*\) #qemu-aarch64 -L @LIBRARIES@ -E \1\2 #')
# what runs over there does not end with what runs here
PATH="$device/bin:$PATH" exec setsid -w sh -c "$command"
"""


class Device:
    """What the stand-in stands for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = folder / "root" / "data" / "local" / "tmp"
        self.clock = folder / "root" / "sys" / "devices" / "system" / "cpu" / "cpu0" / "cpufreq" / "scaling_max_freq"
        for one in (self.place, self.clock.parent, folder / "bin"):
            one.mkdir(parents=True)
        self.clock.write_text("2000000\n")
        (folder / "state").write_text("device\n")
        self.says("getprop", "echo arm64-v8a")
        self.says("dumpsys", "echo 'Thermal Status: 0'")

    def says(self, command: str, script: str) -> None:
        path = self.folder / "bin" / command
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()

    def sessions(self) -> list[Path]:
        """Folders of sessions that are there, after some time to go away."""
        deadline = time.monotonic() + 10
        while (found := list(self.place.glob("mobilekit-run-*"))) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found


@pytest.fixture
def device(arm64: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Device:
    if missing_for_arm():
        pytest.skip(", ".join(missing_for_arm()))
    if shutil.which("qemu-aarch64") is None:
        pytest.skip("QEMU (qemu-aarch64) is not installed")
    AdbRunner()._brought(SILENT)
    made = Device(tmp_path / "device")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "adb").write_text(STAND_IN.replace("@DEVICE@", str(made.folder)).replace("@LIBRARIES@", str(LIBRARIES)))
    (tools / "adb").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    return made


@pytest.fixture
def started(artifacts) -> Callable[..., Worker]:
    return lambda name="adb": Worker(name, artifacts["dynamic.pte"], threads=1, timeout_s=30)


@pytest.mark.slow
def test_it_computes_times_and_leaves_only_the_program(device: Device, artifacts, started) -> None:
    with started("adb:emulator-5554") as worker:
        batches = [(artifacts.sample,), (np.concatenate([artifacts.sample] * 3),)]
        outputs = worker.run(batches) + worker.run(batches[1:])
        timing = worker.time(batches[0], BRIEF)
        assert worker.load_ms > 0
        assert len(timing.nanoseconds) == 3
        assert len(read_etdump(worker.profile(batches[1], warmup=1, runs=2))) == 3
        with pytest.raises(RunnerError, match=r"expected input0 float32 \[\.\.8, .*given float64"):
            worker.run([(artifacts.sample.astype(np.float64),)])
        assert len(worker.run(batches)) == 2
    assert [one.shape for (one,) in outputs] == [(1, 10), (3, 10), (3, 10)]
    for (output,) in outputs:
        np.testing.assert_allclose(output, np.repeat(artifacts.reference, len(output), axis=0), rtol=1e-5, atol=1e-6)
    assert device.sessions() == []
    asked = device.asked()
    assert all(one.startswith("-s emulator-5554 ") for one in asked)
    pushed = [one for one in asked if " push " in one]
    assert sum(one.endswith("/model.pte") for one in pushed) == 1
    assert any(one.endswith("/libexecutorch_backend_xnnpack.so") for one in pushed)

    with started() as worker:
        worker.run([(artifacts.sample,)])
    assert len([one for one in device.asked() if "push " in one]) == len(pushed) + 1, "the program is there already"
    assert device.sessions() == []


@pytest.mark.slow
def test_a_hot_device_is_not_timed(device: Device, artifacts, started) -> None:
    count = device.folder / "count"
    # cool before, hot afterwards
    device.says("dumpsys", f"echo x >> {count}; echo Thermal Status: $(($(wc -l < {count}) > 1 ? 3 : 0))")
    with started() as worker:
        with pytest.raises(RunnerError, match=r"got hot while it was timed \(thermal status 3\)"):
            worker.time((artifacts.sample,), BRIEF)
        device.says("dumpsys", f"echo 1000000 > {device.clock}; echo Thermal Status: 0")
        device.clock.write_text("2000000\n")
        # what it is asked first lowers the clock: before and after are equal
        assert worker.time((artifacts.sample,), BRIEF).nanoseconds
        device.says("dumpsys", f"echo Thermal Status: 0; (sleep 1; echo 1000 > {device.clock}) > /dev/null 2>&1 &")
        device.clock.write_text("2000000\n")
        long = Effort(warmup=0, min_runs=1, min_seconds=2.5, max_runs=100_000)
        with pytest.raises(RunnerError, match="lowered its clock"):
            worker.time((artifacts.sample,), long)
    assert device.sessions() == []


@pytest.mark.slow
def test_no_device_and_another_kind_are_told(device: Device, started) -> None:
    device.says("getprop", "echo x86_64")
    with pytest.raises(RunnerError, match="the device is x86_64, and the runner is for arm64-v8a"), started():
        pass
    (device.folder / "state").write_text("unauthorized\n")
    with pytest.raises(RunnerError, match="no device answers: unauthorized") as caught, started():
        pass
    assert "USB debugging" in (caught.value.hint or "")
    assert device.sessions() == []


@pytest.mark.slow
def test_a_damaged_file_and_a_crash_over_there(device: Device, artifacts, started, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.pte"
    damaged.write_bytes(artifacts["dynamic.pte"].read_bytes()[:3000])
    with pytest.raises(RunnerError, match=r"damaged\.pte: executorch refused to load it"):
        Worker("adb", damaged, threads=1, timeout_s=30).__enter__()
    assert device.sessions() == []
    program = next(device.place.glob("mobilekit-*/mobilekit_runner"))
    program.write_text("no program")
    with pytest.raises(RunnerError, match="ended by itself"), started():
        pass
    assert device.sessions() == []


@pytest.mark.slow
def test_with_an_ndk_the_program_is_built_by_its_toolchain_file(
    device: Device, artifacts, started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The NDK is a stand-in, whose toolchain file takes the cross compiler for Linux; it keeps what CMake told it."""
    ndk = tmp_path / "ndk"
    toolchain = ndk / "build" / "cmake" / "android.toolchain.cmake"
    toolchain.parent.mkdir(parents=True)
    toolchain.write_text(
        "set(CMAKE_SYSTEM_NAME Linux)\nset(CMAKE_SYSTEM_PROCESSOR aarch64)\n"
        f"set(CMAKE_CXX_COMPILER {COMPILER})\n"
        f'file(APPEND "{ndk}/told" "${{ANDROID_ABI}} ${{ANDROID_PLATFORM}} ${{ANDROID_STL}}")\n'
    )
    monkeypatch.setenv(NDK, str(ndk))
    monkeypatch.setenv(EXECUTORCH, str(aarch64_executorch(executorch_version(), SILENT)))
    monkeypatch.setenv("MOBILEKIT_CACHE", str(tmp_path / "cache"))
    with started() as worker:
        ((output,),) = worker.run([(artifacts.sample,)])
    np.testing.assert_allclose(output, artifacts.reference, rtol=1e-5, atol=1e-6)
    assert "arm64-v8a android-26 c++_shared" in (ndk / "told").read_text()
    pushed = {one.rpartition("/")[2] for one in device.asked() if "push " in one}
    assert "mobilekit_runner" in pushed
    assert not [name for name in pushed if name.startswith(("ld-linux", "libc."))], "Android has its own C library"


def test_an_ndk_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NDK, str(tmp_path))
    monkeypatch.setenv(EXECUTORCH, str(tmp_path / "executorch"))
    with pytest.raises(SetupError, match=r"is no NDK: there is no build/cmake/android\.toolchain\.cmake"):
        AdbRunner()._brought(SILENT)
    (tmp_path / "build" / "cmake").mkdir(parents=True)
    (tmp_path / "build" / "cmake" / "android.toolchain.cmake").write_text("")
    with pytest.raises(SetupError, match=r"holds no ExecuTorch: include/executorch and lib/libexecutorch\.so"):
        AdbRunner()._brought(SILENT)


def test_serial_numbers() -> None:
    found = runner("adb:192.168.1.7:5555")
    assert isinstance(found, AdbRunner)
    assert found.serial == "192.168.1.7:5555"
    with pytest.raises(UsageError, match="not a device's serial number"):
        runner("adb:; rm -rf /")


def test_without_adb_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "adb: apt install adb" in (AdbRunner().unavailable() or "")
