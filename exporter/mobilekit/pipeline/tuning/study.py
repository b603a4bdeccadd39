"""Study: what is tried next and what was found, in a database that several processes and machines may share.

Refuses to go on with a study of another model, other data or another budget. Every trial's parameters, figures and
errors are kept in it, so that a search can be gone on with after any end, and Optuna's own tools can read it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mobilekit.errors import MissingDependency, SetupError, UsageError
from mobilekit.files import storage_errors
from mobilekit.pipeline.tuning.space import Candidate, candidate_of
from mobilekit.quiet import quiet
from mobilekit.report.tuned import Trial

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

FINGERPRINT, RECORD, ERROR, SAME = "mobilekit", "record", "error", "same_as"
"""Attributes: of a study, what it is about; of a trial, its figures, why it has none, and of which one it is a copy."""
HEARTBEAT_S, GRACE_S = 20, 120
"""A running trial says so this often; after that long a silence its process is taken for dead."""
_STARTUP = 10
_ATTEMPTS = 5
_PATIENCE_S = 60.0
"""How long a SQLite file may be another process's."""

Fingerprint = Mapping[str, str]


def storage_url(text: str) -> str:
    """A storage as SQLAlchemy names it: a URL, or the path of a SQLite file. Raises MissingDependency."""
    if "://" not in text:
        return f"sqlite:///{text}"
    scheme, _, rest = text.partition("://")
    if scheme in ("postgresql", "postgres"):
        if find_spec("psycopg") is None:
            raise MissingDependency("a study in PostgreSQL needs psycopg", hint="pip install 'mobilekit[postgresql]'")
        return f"postgresql+psycopg://{rest}"
    return text


def without_password(url: str) -> str:
    """As it may be shown and kept."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError) as error:  # a port that is no number
        raise UsageError(
            f"--storage {url.partition('://')[0]}://...: not a database URL",
            hint="a file's name for SQLite, or postgresql://USER:PASSWORD@HOST/DATABASE",
        ) from error


@contextlib.contextmanager
def storage_failures(shown: str) -> Iterator[None]:
    """What a database refuses, in words. The study itself is left as the last trial left it."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        said = str(getattr(cause, "orig", None) or cause).strip().splitlines()
        raise SetupError(
            f"the study's storage {shown} fails: {said[0] if said else type(cause).__name__}",
            hint="what was found so far is kept; the same command goes on with it",
        ) from error


def check_storage(url: str) -> None:
    """Connect to the database and leave it again: what is wrong with it is told before anything takes long.

    Raises UsageError, MissingDependency, SetupError."""
    import sqlalchemy

    shown, file = without_password(url), _sqlite_file(url)
    if file is not None and not file.exists():
        return
    with storage_failures(shown), _refusals(url):
        engine = sqlalchemy.create_engine(url)
        try:
            with engine.connect() as connection:
                sqlalchemy.inspect(connection).get_table_names()
        finally:
            engine.dispose()


@dataclass(frozen=True)
class Study:
    """One search: its name, where it is kept, and Optuna's own objects. `with` closes the connection."""

    name: str
    storage: str
    inner: optuna.Study
    database: optuna.storages.RDBStorage
    seed: int

    @classmethod
    def opened(cls, name: str, url: str, fingerprint: Fingerprint, *, seed: int) -> Study:
        """The study called `name`, begun where there is none.

        Raises UsageError where one of that name is about something else, SetupError for a storage that does not answer.
        """
        shown = without_password(url)
        with storage_failures(shown):
            study = cls(name, shown, *_opened(name, url), seed)
            try:
                if FINGERPRINT not in study.inner.user_attrs:
                    study.inner.set_user_attr(FINGERPRINT, dict(fingerprint))
                study.check(fingerprint)
            except BaseException:
                study.close()
                raise
        return study

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the database to others."""
        self.database.remove_session()
        self.database.engine.dispose()

    def check(self, fingerprint: Fingerprint) -> None:
        """Raise UsageError when the study is about something else, naming all that differs."""
        known = self.inner.user_attrs.get(FINGERPRINT, {})
        changed = [
            f"{field} was {known.get(field, 'not recorded')}, now {now}"
            for field, now in fingerprint.items()
            if known.get(field) != now
        ]
        if changed:
            lines = "".join(f"\n  {line}" for line in changed)
            raise UsageError(
                f"study {self.name!r} in {self.storage} is about something else:{lines}",
                hint="repeat its command to go on with it, or begin another one with --study NAME",
            )

    def enqueue(self, candidate: Candidate) -> None:
        """Let it be tried next, unless it is waiting already."""
        with quiet():
            self.inner.enqueue_trial(candidate.params(), skip_if_exists=False)

    def known(self) -> set[Candidate]:
        """Those that were tried to an end, wait for it or are under way; not those that something interrupted."""
        found = set()
        for one in self.inner.get_trials(deepcopy=False):
            params = one.params or one.system_attrs.get("fixed_params", {})
            interrupted = one.state.name in ("FAIL", "PRUNED") and ERROR not in one.user_attrs
            if "variant" in params and not interrupted:
                found.add(candidate_of(params))
        return found

    def waiting(self) -> set[Candidate]:
        """Those that are to be tried next."""
        waiting = [one for one in self.inner.get_trials(deepcopy=False) if one.state.name == "WAITING"]
        return {candidate_of(one.system_attrs["fixed_params"]) for one in waiting}

    def tried(self) -> int:
        """How many candidates were tried, with figures or an error, or are under way."""
        return sum(
            one.state.name == "RUNNING"
            or (SAME not in one.user_attrs and (RECORD in one.user_attrs or ERROR in one.user_attrs))
            for one in self.inner.get_trials(deepcopy=False)
        )

    def ended(self) -> dict[Candidate, Trial]:
        """All that was tried to an end, in order. Raises UsageError for what no mobilekit wrote."""
        from pydantic import ValidationError

        try:
            return {
                candidate_of(one.params): Trial.model_validate_json(one.user_attrs[RECORD])
                for one in self.inner.get_trials(deepcopy=False)
                if RECORD in one.user_attrs and SAME not in one.user_attrs
            }
        except ValidationError as error:
            raise UsageError(
                f"study {self.name!r} in {self.storage} has trials that this mobilekit cannot read",
                hint="begin another one with --study NAME",
            ) from error

    def again(self, candidate: Candidate, number: int) -> FrozenTrial | None:
        """Another trial of the same candidate that is under way or has come to an end."""
        for one in self.inner.get_trials(deepcopy=False):
            ended = RECORD in one.user_attrs and SAME not in one.user_attrs
            counts = one.number < number and (ended or one.state.name == "RUNNING")
            if counts and "variant" in one.params and candidate_of(one.params) == candidate:
                return one
        return None

    def step(self, objective: Callable[[optuna.Trial], float]) -> None:
        """Ask for one trial, and tell what `objective` returns or raises of it."""
        import optuna

        with quiet():
            self.inner.sampler = optuna.samplers.TPESampler(
                seed=(self.seed * 1_000_003 + len(self.inner.get_trials(deepcopy=False))) % 2**32,
                n_startup_trials=_STARTUP,
                multivariate=True,
                group=True,
                constant_liar=True,
            )
        with _silent():
            self.inner.optimize(objective, n_trials=1, catch=(CandidateFailed,))


class CandidateFailed(Exception):
    """A candidate that cannot be made or run: a finding, not the end of the search."""


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Optuna's own log lines stay away for the block: what there is to say, progress says."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _opened(name: str, url: str) -> tuple[optuna.Study, optuna.storages.RDBStorage]:
    """The study, its tables made where there are none. Two processes that make them at once get in each other's way:
    the one that comes second tries again."""
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    for attempt in range(1, _ATTEMPTS):
        try:
            return _connected(name, url)
        except (IntegrityError, OperationalError, ProgrammingError) as error:
            made_twice = "already exists" in str(error) or "unique" in str(error).lower()
            if not made_twice:
                raise
            time.sleep(0.3 * attempt)
    return _connected(name, url)


def _connected(name: str, url: str) -> tuple[optuna.Study, optuna.storages.RDBStorage]:
    import optuna

    file = _sqlite_file(url)
    if file is not None:
        with storage_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
    arguments = {"connect_args": {"timeout": _PATIENCE_S}} if file is not None else {}
    with _refusals(url), quiet(), _silent():
        database = optuna.storages.RDBStorage(
            url, engine_kwargs=arguments, heartbeat_interval=HEARTBEAT_S, grace_period=GRACE_S
        )
        try:
            study = optuna.create_study(storage=database, study_name=name, direction="minimize", load_if_exists=True)
        except BaseException:
            database.engine.dispose()
            raise
        return study, database


def _sqlite_file(url: str) -> Path | None:
    from sqlalchemy.engine import make_url

    found = make_url(url) if url.startswith("sqlite") else None
    return Path(found.database) if found is not None and found.database else None


@contextlib.contextmanager
def _refusals(url: str) -> Iterator[None]:
    """What is wrong with the URL itself, in words. Raises MissingDependency and UsageError."""
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        yield
    except ImportError as error:
        raise MissingDependency(
            f"the driver of {url.partition('://')[0]} is not installed",
            hint="SQLite needs none; for PostgreSQL: pip install 'mobilekit[postgresql]'",
        ) from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(
            f"--storage {url.partition('://')[0]}://...: no such kind of database",
            hint="a file's name for SQLite, or postgresql://USER:PASSWORD@HOST/DATABASE",
        ) from error
    except RuntimeError as error:  # tables of another Optuna
        raise UsageError(
            f"{without_password(url)} was written by another version of Optuna: {error}",
            hint="begin a new one: --storage FILE",
        ) from error
