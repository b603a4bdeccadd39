"""What the system's counters say, read from files that are written here; nothing where they are absent or strange."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobilekit.bench.noise import Noise, Watch, disturbances, idle_ticks
from mobilekit.bench.pinning import idlest, pin, quiet_cores


def stat(path: Path, *cores: tuple[int, ...]) -> Path:
    total = [sum(column) for column in zip(*cores, strict=True)]
    lines = [f"cpu  {' '.join(map(str, total))}"]
    lines += [f"cpu{index} {' '.join(map(str, core))}" for index, core in enumerate(cores)]
    path.write_text("\n".join([*lines, "intr 1 2 3"]) + "\n")
    return path


def test_steal_is_a_share_of_the_time_since_the_watch_began(tmp_path: Path) -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice
    file = stat(tmp_path / "stat", (100, 0, 0, 100, 0, 0, 0, 50, 0, 0))
    watch = Watch(file, tmp_path)
    stat(file, (150, 0, 0, 140, 0, 0, 0, 60, 900, 900))
    assert watch.noise() == Noise(0.1, None)


def test_the_clock_is_the_lowest_and_the_highest_seen(tmp_path: Path) -> None:
    place = tmp_path / "cpu0" / "cpufreq"
    place.mkdir(parents=True)
    clock = place / "scaling_cur_freq"
    clock.write_text("3000000\n")
    watch = Watch(tmp_path / "absent", tmp_path)
    clock.write_text("1200000\n")
    watch.look()
    clock.write_text("broken")
    watch.look()
    assert watch.noise() == Noise(None, (1200, 3000))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_counters_that_make_no_sense_say_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "stat"
    file.write_bytes(b"cpu " + content)
    noise = Watch(file, tmp_path).noise()
    assert noise.steal_share is None or 0 <= noise.steal_share <= 1
    assert isinstance(idle_ticks(file), dict)


def test_disturbances_in_words() -> None:
    assert disturbances(None, None, None) == []
    assert disturbances(100, 0.02, (2700, 3000)) == []
    assert len(disturbances(101, 0.03, (2600, 3000))) == 3


def test_the_idlest_cores_are_chosen(tmp_path: Path) -> None:
    before = idle_ticks(stat(tmp_path / "a", *[(0, 0, 0, 10, 0, 0, 0, 0)] * 4))
    now = idle_ticks(stat(tmp_path / "b", *[(0, 0, 0, idle, 0, 0, 0, 0) for idle in (40, 15, 40, 35)]))
    assert idlest([0, 1, 2, 3], before, now, 1) == (2,)
    assert idlest([0, 1, 2, 3], before, now, 3) == (0, 2, 3)
    assert idlest([4, 7], {}, {}, 1) == (7,)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds threads to cores")
def test_a_process_is_held_and_one_that_is_gone_is_no_error() -> None:
    cores = os.sched_getaffinity(0)
    try:
        assert pin(os.getpid(), (min(cores),))
        assert os.sched_getaffinity(0) == {min(cores)}
    finally:
        for task in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)
    assert not pin(2**22 + 1, (min(cores),))
    assert quiet_cores(len(cores)) is None
