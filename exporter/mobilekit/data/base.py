"""What a data set is: samples, splits, and a pair of splits. No file is read here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from mobilekit.progress import SILENT, Progress

Array = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]
Waveform = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Kind = Literal["image", "audio", "tensor"]
Which = Literal["train", "test"]


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample: an encoded image or sound, decoded pixels, a waveform, or tensors that are model inputs already.

    `pixels` is uint8 (H, W, 3), RGB. `waveform` is float32 (n,), mono, at the model's sampling rate. `tensors` has a
    leading batch dimension of 1 each; `names` says which model inputs they are where the data set knows, else they
    are in the order of the model's inputs.
    """

    id: str
    label: int | None
    encoded: bytes | None = None
    pixels: Pixels | None = None
    waveform: Waveform | None = None
    tensors: tuple[Array, ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = [one is not None for one in (self.encoded, self.pixels, self.waveform)]
        if sum(given) + bool(self.tensors) != 1:
            raise ValueError(f"sample {self.id}: exactly one of encoded, pixels, waveform and tensors must be given")
        if self.names and len(self.names) != len(self.tensors):
            raise ValueError(f"sample {self.id}: {len(self.names)} names for {len(self.tensors)} tensors")


class Split(Protocol):
    """One part of a data set, in a fixed order."""

    @property
    def source(self) -> str:
        """The data set's name, as it was asked for."""

    @property
    def name(self) -> str:
        """`train`, `test`, or what the part is called otherwise."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """The sample at `index`. Raises DataError, naming it, when it cannot be read."""

    def id_of(self, index: int) -> str:
        """The sample's id, without reading the sample."""

    def labels_of(self) -> Labels | None:
        """int64 (N,), without decoding anything; None when the split is unlabelled."""


class Dataset(Protocol):
    """Two splits that share no sample: calibration and training draw from `train`, accuracy from `test`."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...] | None: ...

    @property
    def kind(self) -> Kind: ...

    def split(self, which: Which) -> Split: ...


@dataclass(frozen=True, eq=False)
class TwoSplits:
    """A Dataset made of its two splits; what every built-in data set returns."""

    name: str
    labels: tuple[str, ...] | None
    kind: Kind
    train: Split
    test: Split

    def split(self, which: Which) -> Split:
        return {"train": self.train, "test": self.test}[which]


@dataclass(frozen=True, eq=False)
class View:
    """Some samples of another split under a name of its own; `indices` are positions in `whole`."""

    whole: Split
    indices: tuple[int, ...]
    name: str

    @property
    def source(self) -> str:
        return self.whole.source

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.whole[self.indices[index]]

    def id_of(self, index: int) -> str:
        return self.whole.id_of(self.indices[index])

    def labels_of(self) -> Labels | None:
        labels = self.whole.labels_of()
        return None if labels is None else labels[list(self.indices)]


@dataclass(frozen=True)
class Request:
    """What a data set's factory is called with: `argument` is what stands after the colon of the name."""

    name: str
    argument: str
    root: Any
    seed: int
    labels: Sequence[str] | None
    progress: Progress = SILENT

    def labels_over(self, own: Sequence[str]) -> tuple[str, ...]:
        """The model's labels where they hold all of the data set's `own`, else its own."""
        return tuple(self.labels) if self.labels and set(self.labels) >= set(own) else tuple(own)
