"""Studies: begun, gone on with, shared and refused, in SQLite and PostgreSQL. What is tried is a figure of its name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mobilekit.errors import MissingDependency, SetupError, UsageError
from mobilekit.pipeline.tuning import study as studies
from mobilekit.pipeline.tuning.space import Candidate, Space
from mobilekit.pipeline.tuning.study import (
    ERROR,
    RECORD,
    Study,
    check_storage,
    storage_failures,
    storage_url,
    without_password,
)
from mobilekit.report.tuned import Loss, Pace, Trial
from mobilekit.spec import QuantizeSpec

ABOUT = {"model": "net", "weights": "ab", "max drop": "0.5"}
SPACE = Space(tuple(("onnx", name) for name in ("fp32", "int8", "fp16", "int8-dynamic")), QuantizeSpec(), lambda: 4)


def figures(number: int, candidate: Candidate) -> Trial:
    ratio = 1 + len(candidate.name(SPACE.base)) / 100
    return Trial(
        number=number,
        name=candidate.name(SPACE.base),
        target=candidate.target,
        scheme=candidate.scheme,
        plain=False,
        bytes=1,
        sha256="0" * 64,
        pace=Pace(median_ms=ratio, iqr_ms=0, n=1, reference_ms=1, ratio=ratio, threads=1, machine="m"),
        loss=Loss(samples=10, drop_points=0),
    )


def objective(trial: Any) -> float:
    found = figures(trial.number, SPACE.suggested(trial))
    trial.set_user_attr(RECORD, found.model_dump_json())
    return found.cost("latency") or 0


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Study]]:
    with ExitStack() as stack:

        def make(about: dict[str, str] = ABOUT, name: str = "net", seed: int = 0) -> Study:
            url = storage_url(str(tmp_path / "new" / "s.db"))
            return stack.enter_context(Study.opened(name, url, about, seed=seed))

        yield make


def test_a_study_is_gone_on_with(opened: Callable[..., Study]) -> None:
    first = opened()
    plain = Candidate("onnx", "fp32")
    first.enqueue(plain)
    assert first.waiting() == first.known() == {plain}
    first.step(objective)
    again = opened()
    assert list(again.ended()) == [plain]
    assert again.tried() == 1
    again.step(objective)
    assert [one.number for one in first.ended().values()] == [0, 1]
    assert opened(name="other").tried() == 0


def test_a_seed_gives_the_same_trials_also_after_a_pause(opened: Callable[..., Study]) -> None:
    def names(study: Study) -> list[str]:
        return [one.params["variant"] + str(one.params.get("observer")) for one in study.inner.get_trials()]

    whole, parts = opened(name="whole", seed=5), opened(name="parts", seed=5)
    for _ in range(5):
        whole.step(objective)
    for _ in range(2):
        parts.step(objective)
    parts = opened(name="parts", seed=5)
    for _ in range(3):
        parts.step(objective)
    assert names(whole) == names(parts)


def test_a_study_of_something_else_is_refused_with_all_that_differs(opened: Callable[..., Study]) -> None:
    opened()
    with pytest.raises(UsageError) as caught:
        opened({**ABOUT, "weights": "cd", "max drop": "1"})
    assert "weights was ab, now cd" in caught.value.message
    assert "max drop was 0.5, now 1" in caught.value.message
    assert "model" not in caught.value.message.partition("\n")[2]
    assert "--study" in str(caught.value.hint)


def test_a_candidate_that_fails_is_kept_and_one_that_was_interrupted_is_not(opened: Callable[..., Study]) -> None:
    study, plain = opened(), Candidate("onnx", "fp32")

    def fails(trial: Any) -> float:
        SPACE.suggested(trial)
        trial.set_user_attr(RECORD, figures(trial.number, plain).model_copy(update={"error": "no"}).model_dump_json())
        trial.set_user_attr(ERROR, "no")
        raise studies.CandidateFailed("no")

    def stops(trial: Any) -> float:
        SPACE.suggested(trial)
        raise KeyboardInterrupt

    study.enqueue(plain)
    study.step(fails)
    assert (study.known(), study.tried()) == ({plain}, 1)
    other = Candidate("onnx", "fp16")
    study.enqueue(other)
    with pytest.raises(KeyboardInterrupt):
        study.step(stops)
    assert (study.known(), study.tried()) == ({plain}, 1), "it is to be tried again"


def test_a_fault_of_ours_is_not_taken_for_a_finding(opened: Callable[..., Study]) -> None:
    def faulty(trial: Any) -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        opened().step(faulty)


def test_nothing_is_printed(opened: Callable[..., Study], capfd: pytest.CaptureFixture[str]) -> None:
    study = opened()
    study.enqueue(Candidate("onnx", "fp32"))
    for _ in range(3):
        study.step(objective)
    assert capfd.readouterr() == ("", "")


def test_records_that_cannot_be_read_are_refused(opened: Callable[..., Study]) -> None:
    def strange(trial: Any) -> float:
        SPACE.suggested(trial)
        trial.set_user_attr(RECORD, '{"number": "x"}')
        return 1.0

    study = opened()
    study.step(strange)
    with pytest.raises(UsageError, match="cannot read"):
        study.ended()


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgres://h/d", "postgresql+psycopg://h/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("sqlite:///a.db", "sqlite:///a.db"),
    ],
)
def test_storages_are_named_as_people_name_them(given: str, url: str) -> None:
    assert storage_url(given) == url


def test_a_password_is_not_shown() -> None:
    assert without_password("postgresql+psycopg://u:secret@h/d") == "postgresql+psycopg://u:***@h/d"
    with pytest.raises(UsageError) as caught:
        without_password("postgresql://u:secret@h:port/d")
    assert "secret" not in str(caught.value)


def test_postgresql_without_its_driver_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency) as caught:
        storage_url("postgresql://h/d")
    assert "mobilekit[postgresql]" in str(caught.value.hint)


@pytest.mark.parametrize("use", [check_storage, lambda url: Study.opened("s", url, ABOUT, seed=0).close()])
def test_what_is_no_database_is_refused(tmp_path: Path, use: Callable[[str], None]) -> None:
    (tmp_path / "notes.db").write_text("these are no tables, however long one reads them" * 20)
    with pytest.raises(SetupError, match="not a database"):
        use(storage_url(str(tmp_path / "notes.db")))
    with pytest.raises(UsageError, match="no such kind of database"):
        use("nosuch://h/d")
    with pytest.raises(SetupError, match=r"fails: .*refused") as caught:
        use(storage_url("postgresql://u:secret@127.0.0.1:1/d"))
    assert "secret" not in str(caught.value)
    use(storage_url(str(tmp_path / "new.db")))


def test_a_server_that_goes_away_is_told_without_a_trace() -> None:
    from sqlalchemy.exc import OperationalError

    with pytest.raises(SetupError, match="the study's storage here fails: gone") as caught, storage_failures("here"):
        raise OperationalError("select", {}, Exception("gone"))
    assert "goes on" in str(caught.value.hint)


WORKER = """
import sys
sys.path[:0] = sys.argv[2:]
from test_tuning_study import ABOUT, objective
from mobilekit.pipeline.tuning.study import Study
with Study.opened("net", sys.argv[1], ABOUT, seed=0) as study:
    while study.tried() < 12:
        study.step(objective)
"""


def _two_processes(url: str) -> None:
    """Begin one study from two new processes at once; both go on until it has 12 trials."""
    import mobilekit

    places = [str(Path(__file__).parent), str(Path(mobilekit.__file__).parents[1])]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}

    def run(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", WORKER, url, *places],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=kept,
        )

    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(run, range(2)):
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with Study.opened("net", url, ABOUT, seed=0) as found:
        numbers = [one.number for one in found.inner.get_trials()]
    assert numbers == list(range(len(numbers)))
    assert 12 <= len(numbers) <= 13, "one may begin while the other's is the last"


@pytest.mark.slow
def test_two_processes_share_a_study_in_sqlite(tmp_path: Path) -> None:
    _two_processes(storage_url(str(tmp_path / "s.db")))


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of its own, on a socket in a temporary folder; its URL."""
    programs = {name: shutil.which(name) for name in ("initdb", "pg_ctl")}
    if None in programs.values():
        pytest.skip("PostgreSQL's initdb and pg_ctl are not on the PATH")
    folder = tmp_path_factory.mktemp("pg")
    user: dict[str, Any] = {}
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        user = {"user": 65534, "group": 65534, "extra_groups": []}
        for place in (folder, *list(folder.parents)[:2]):
            if place.owner() == "root":
                place.chmod(place.stat().st_mode | 0o011)
        os.chown(folder, 65534, 65534)
    data, log = folder / "data", folder / "log"
    options = f"-c listen_addresses= -c fsync=off -c unix_socket_directories={folder}"

    def run(name: str, *words: str) -> None:
        with log.open("a") as out:
            command = [str(programs[name]), "-D", str(data), *words]
            done = subprocess.run(command, stdout=out, stderr=out, cwd="/", timeout=60, check=False, **user)
        if done.returncode:
            pytest.skip(f"{name} does not work here: {log.read_text()[-300:]}")

    if len(str(folder)) > 90:
        pytest.skip("the temporary folder's name is too long for a socket")
    run("initdb", "-A", "trust", "-U", "tuner", "--no-sync")
    run("pg_ctl", "-w", "-o", options, "start")
    try:
        yield f"postgresql://tuner:secret@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")


@pytest.mark.slow
def test_two_processes_share_a_study_in_postgresql(server: str) -> None:
    _two_processes(storage_url(server))
