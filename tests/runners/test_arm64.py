"""Emulated Arm: eager's outputs within rounding, the kernels of the core that was asked for, and no false seconds."""

from __future__ import annotations

import os
import platform
import signal
from pathlib import Path

import numpy as np
import pytest

from mobilekit.bench import measure
from mobilekit.errors import RunnerError, UnknownName, UsageError
from mobilekit.runners import Worker, runner
from mobilekit.runners.arm64 import CPUS, Arm64Runner, counting, on_arm, plugin_version

emulated = pytest.mark.skipif(on_arm(), reason="this machine is Arm itself: nothing is emulated unasked")


def test_a_variant_is_a_core() -> None:
    found = runner("arm64:cortex-a53")
    assert isinstance(found, Arm64Runner)
    assert (found.name, found.cpu, found.emulated) == ("arm64:cortex-a53", "cortex-a53", True)
    with pytest.raises(UnknownName, match="did you mean 'cortex-a53'"):
        runner("arm64:cortex-a55")
    with pytest.raises(UsageError, match="'native' has no variants"):
        runner("native:fast")
    with pytest.raises(UsageError, match="not the name of a processor core"):
        counting("arm64:max")


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7)", 1),
        ("qemu-aarch64 version 8.2.2 (Debian 1:8.2.2)", 1),
        ("qemu-aarch64 version 9.0.0", 2),
        ("qemu-aarch64 version 10.0.2", 2),
        ("", 1),
    ],
)
def test_plugin_versions(said: str, version: int) -> None:
    assert plugin_version(said) == version


@emulated
@pytest.mark.slow
@pytest.mark.parametrize("cpu", list(CPUS))
def test_outputs_on_every_core(arm64: str, artifacts, cpu: str) -> None:
    with Worker(f"arm64:{cpu}", artifacts["static.pte"], threads=1, timeout_s=60) as worker:
        ((output,),) = worker.run([(artifacts.sample,)])
        assert worker.peak_memory_bytes() is None, "it would be the emulator's"
    # one convolution and one matrix product of 256 terms: a few units in the last place
    np.testing.assert_allclose(output, artifacts.reference, rtol=1e-5, atol=1e-6)


@emulated
@pytest.mark.slow
def test_two_threads_compute_the_same(arm64: str, artifacts) -> None:
    found = []
    for threads in (1, 2):
        with Worker("arm64", artifacts["dynamic.pte"], threads=threads, timeout_s=60) as worker:
            found += worker.run([(np.concatenate([artifacts.sample] * 8),)])
    np.testing.assert_array_equal(found[0][0], found[1][0])


@emulated
@pytest.mark.slow
def test_a_crash_under_emulation_is_told(arm64: str, artifacts, tmp_path: Path) -> None:
    with Worker("arm64", artifacts["static.pte"], threads=1, timeout_s=60) as worker:
        assert worker.pid
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(RunnerError, match=r"crashed by signal 9 \(SIGKILL\)"):
            worker.run([(artifacts.sample,)])
    damaged = tmp_path / "damaged.pte"
    damaged.write_bytes(artifacts["static.pte"].read_bytes()[:3000])
    with pytest.raises(RunnerError, match=r"damaged\.pte: executorch refused to load it") as caught:
        Worker("arm64", damaged, threads=1, timeout_s=60).__enter__()
    assert caught.value.hint


@emulated
@pytest.mark.slow
def test_emulated_seconds_are_not_given_out(arm64: str, artifacts) -> None:
    found = measure(artifacts["static.pte"], [artifacts.sample], runner="arm64")
    assert not found.executed
    assert "emulator's seconds say nothing" in (found.reason or "")


@emulated
@pytest.mark.slow
def test_what_a_profile_cannot_be_made_of_is_refused(arm64: str, artifacts) -> None:
    with Worker("arm64", artifacts["static.pte"], threads=1, timeout_s=60) as worker:
        with pytest.raises(RunnerError, match="refused to profile it: its times would be the emulator's"):
            worker.profile((artifacts.sample,), warmup=0, runs=1)
        assert len(worker.run([(artifacts.sample,)])) == 1
    if counting("cortex-a76").unavailable() is not None:
        pytest.skip(counting("cortex-a76").unavailable() or "")
    # it counts, but its libraries read the system's clock
    with Worker(counting("cortex-a76"), artifacts["static.pte"], threads=1, timeout_s=60) as worker:
        with pytest.raises(RunnerError, match="counted by mobilekit_counter, and this is another program"):
            worker.profile((artifacts.sample,), warmup=0, runs=1)
        assert worker.count((artifacts.sample,), warmup=0, runs=1) > (0,)


@pytest.mark.skipif(platform.system() == "Linux", reason="Linux emulates")
def test_elsewhere_it_says_so() -> None:
    assert "Linux only" in (runner("arm64:max").unavailable() or "")


@emulated
@pytest.mark.slow
def test_the_core_is_described_as_on_a_phone(arm64: str) -> None:
    """Without this description, kernels made for one core (the Cortex-A53's) would not be chosen."""
    described = set()
    for cpu in CPUS:
        command = Arm64Runner(cpu).launch(1).command
        place = Path(command[command.index("-L") + 1])
        described.add((place / "proc" / "cpuinfo").read_text())
        assert (place / "lib" / "ld-linux-aarch64.so.1").exists()
    assert len(described) == len(CPUS)
