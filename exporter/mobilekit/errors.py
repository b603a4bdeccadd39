"""Errors: the one exception tree, and the exit code each branch ends the command with.

    MobilekitError
    ├── UsageError           2   the request itself is wrong
    │   ├── UnknownName          no such model, target, scheme, runner or data set
    │   ├── SpecError            recipe.toml, an option or an input shape does not validate
    │   └── OutputExists         the output is there already and --force was not given
    ├── DataError            2   a data set is missing, empty, unlabelled or holds a file that cannot be read
    ├── VerificationFailed   1   everything ran, and a measured figure is outside its threshold
    ├── RegressionFound      1   the gate found the candidate worse than a budget allows
    ├── Incompatible         1   the app's runtime cannot run what was to be embedded
    ├── Inconclusive         3   the gate could not tell in the time it had, or embed whether the app can run it
    ├── ModelError           4   a stage cannot take this model
    │   ├── WeightsError         a checkpoint is unsafe, does not fit, or holds NaN
    │   ├── CaptureError         torch.export refuses the module
    │   ├── QuantizeError        the captured program cannot be quantized
    │   └── LowerError           a target cannot take the program
    ├── SetupError           5   this machine lacks something
    │   ├── MissingDependency    a package or tool is not installed
    │   ├── StorageError         disk full, not writable, path is not a folder
    │   └── DownloadError        a data set or pretrained weights could not be fetched
    ├── BundleError          6   a bundle or artifact is incomplete, changed or from another schema
    └── RunnerError          7   a runtime refused, crashed on or timed out with an artifact

Every error says what was wrong, and where it can, how to mend it (`hint`).
Other exit codes: 0 success, 70 internal error, 130 Ctrl-C, 143 terminated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What `mobilekit` ends with. Documented in docs/exit-codes.md; a test holds the two together."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    MODEL = 4
    SETUP = 5
    BUNDLE = 6
    RUNNER = 7
    INTERNAL = 70
    INTERRUPTED = 130
    TERMINATED = 143


class MobilekitError(Exception):
    """Base of all errors that mobilekit raises on purpose.

    `message` says what is wrong in one or more lines; `hint` says how to mend it.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class UsageError(MobilekitError):
    """The request itself is wrong: an option, a name, a combination."""

    exit_code = ExitCode.USAGE


class UnknownName(UsageError):
    """A name that is not in its registry; carries the choices, the closest first."""

    def __init__(self, kind: str, name: str, choices: Sequence[str], *, hint: str | None = None) -> None:
        self.kind, self.name, self.choices = kind, name, tuple(choices)
        super().__init__(_unknown_name_message(kind, name, choices), hint=hint)


def _unknown_name_message(kind: str, name: str, choices: Sequence[str]) -> str:
    import difflib

    closest = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    ordered = [*closest, *sorted(c for c in choices if c not in closest)]
    guess = f", did you mean {closest[0]!r}?" if closest else ""
    have = ", ".join(ordered[:20]) + (f", … {len(ordered) - 20} more" if len(ordered) > 20 else "")
    return f"unknown {kind} {name!r}{guess} (have: {have or 'none'})"


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a spec: which field, what was given (empty: `allowed` says it), what is allowed."""

    field: str
    given: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.field}: {self.allowed}" + (f" (given: {self.given})" if self.given else "")


class SpecError(UsageError):
    """A recipe or option does not validate. All problems of one source are reported together."""

    def __init__(self, source: str, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        self.source, self.problems = source, tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{source}: {count}{lines}", hint=hint)


class OutputExists(UsageError):
    """The output is there already; nothing was touched."""


class DataError(MobilekitError):
    """A data set is missing, empty, unlabelled or holds a file that cannot be read."""

    exit_code = ExitCode.USAGE


class VerificationFailed(MobilekitError):
    """Everything ran; a measured figure is outside its named threshold."""

    exit_code = ExitCode.FAILED


class RegressionFound(MobilekitError):
    """The gate found the candidate worse than a budget allows."""

    exit_code = ExitCode.FAILED


class Incompatible(MobilekitError):
    """The app's runtime is too old for an artifact, or lacks a backend or an operator that it needs."""

    exit_code = ExitCode.FAILED


class Inconclusive(MobilekitError):
    """It could not be told: the gate had too little time or lacks a figure, or an app's runtime is not known."""

    exit_code = ExitCode.INCONCLUSIVE


class ModelError(MobilekitError):
    """A stage cannot take this model."""

    exit_code = ExitCode.MODEL


class WeightsError(ModelError):
    """A checkpoint is unsafe to read, does not fit the module, or holds values that are not finite."""


class CaptureError(ModelError):
    """torch.export refuses the module."""


class QuantizeError(ModelError):
    """The captured program cannot be quantized."""


class LowerError(ModelError):
    """A target cannot take the program."""


class SetupError(MobilekitError):
    """This machine lacks something that the request needs."""

    exit_code = ExitCode.SETUP


class MissingDependency(SetupError):
    """An optional package or tool is not installed."""


class StorageError(SetupError):
    """The disk is full, the folder cannot be written, or the path is not what it should be."""


class DownloadError(SetupError):
    """A data set or pretrained weights could not be fetched."""


class BundleError(MobilekitError):
    """A bundle or artifact is incomplete, changed, or written for another schema."""

    exit_code = ExitCode.BUNDLE


class RunnerError(MobilekitError):
    """A runtime refused an artifact, crashed on it, or did not answer in time."""

    exit_code = ExitCode.RUNNER
