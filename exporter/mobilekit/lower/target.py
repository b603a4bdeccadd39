"""What a target is: a runtime on the phone, the schemes it takes, and how a program becomes its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mobilekit.bundle.manifest import Delegation
from mobilekit.errors import LowerError
from mobilekit.spec import TensorSpec

if TYPE_CHECKING:
    from torch.export import ExportedProgram


@dataclass(frozen=True)
class Lowered:
    """A written artifact and what the phone's runtime needs in order to run it."""

    path: Path
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    backends: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    delegation: Delegation | None = None


@dataclass(frozen=True)
class Realization:
    """How a target makes a scheme, and when that is worth it, each in a sentence for the tables that users read."""

    scheme: str
    how: str
    pays: str
    prepared: bool = False
    """Lowered from the program that `quantize` makes for the scheme, not from the float one."""
    minimum_runtime: str | None = None
    """Where the scheme needs a later runtime than the target does."""


OTHER_INT8 = (
    Realization(
        "int8-qat",
        "as int8, with weights that were trained while they were rounded so",
        "where int8 after training loses accuracy, and there is time to train (`mobilekit train MODEL --qat RUN`)",
        prepared=True,
    ),
    Realization(
        "mixed",
        "as int8, but for the layers that an accuracy budget needs in float, between conversions",
        "where a few layers lose most of the accuracy (`--max-drop`); each conversion costs time",
        prepared=True,
    ),
)
"""Other ways to the same kind of program as int8: a target that takes int8 takes these as they are."""


def realizations(*ones: Realization) -> Mapping[str, Realization]:
    """By the name of the scheme, in this order."""
    return {one.scheme: one for one in ones}


class Target(Protocol):
    """One runtime on the phone."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...

    @property
    def schemes(self) -> Mapping[str, Realization]:
        """The schemes it takes, by name, and how it makes each of them."""

    @property
    def runtime(self) -> str:
        """What loads the artifact on the phone."""

    @property
    def suffix(self) -> str:
        """How its files end, with the dot."""

    def minimum_runtime(self, scheme: str) -> str:
        """The lowest version of `runtime` that is known to load what `lower` writes for this scheme."""

    def missing(self) -> str | None:
        """Why this target cannot be lowered to on this machine, with the cure; None when it can."""

    def lower(
        self,
        program: ExportedProgram,
        scheme: str,
        path: Path,
        *,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
    ) -> Lowered:
        """Write `program` to `path`: the float one, or the scheme's own where its realization is `prepared`.

        Raises LowerError, and QuantizeError when the scheme would leave the model as it is.
        """


_LONGEST = 300


def refused(target: str, error: Exception) -> LowerError:
    """A converter's exception as one short paragraph: its first sentences, without its advice to open an issue."""
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    shown = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return LowerError(
        f"{target}: {type(error).__name__}: {shown}",
        hint="`mobilekit --verbose` shows all that the converter said; other targets may take the model",
    )
