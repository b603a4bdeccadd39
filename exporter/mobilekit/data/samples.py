"""Samples: a subset read, preprocessed and stacked, ready for calibration, verification or training.

Refuses what does not fit the model's inputs. A file that cannot be read is refused by name, or left out by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mobilekit.data.base import Array, Labels, Pixels, Sample, Waveform
from mobilekit.data.subset import Subset
from mobilekit.errors import DataError, Problem, SpecError
from mobilekit.preprocess import audio_features, decode_audio, decode_image, normalize, to_clip, to_pixels
from mobilekit.progress import SILENT, Progress
from mobilekit.spec.audio import AudioPreprocess
from mobilekit.spec.image import ImagePreprocess
from mobilekit.spec.preprocess import Preprocess
from mobilekit.spec.tensor import TensorSpec

Corrupt = Literal["refuse", "skip"]


@dataclass(frozen=True, eq=False)
class Samples:
    """`inputs` holds one array per model input, samples first: (N, ...), where the model saw (1, ...) of each.

    `whole` says instead that a sample is all of an input, whatever its first dimension: (N, *shape). `subset` names
    exactly the samples that are here; what was left out is in `skipped`, by id.
    """

    inputs: tuple[Array, ...]
    labels: Labels | None
    ids: tuple[str, ...]
    skipped: tuple[str, ...]
    subset: Subset
    preprocess: Preprocess | None
    whole: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def source(self) -> str:
        """The data set's name, or "generated"."""
        return self.subset.split.source

    @property
    def split(self) -> str:
        """`train`, `test` or "generated"."""
        return self.subset.split.name

    @property
    def indices_sha256(self) -> str:
        """Hash over the indices of the samples that are here (see Subset.sha256)."""
        return self.subset.sha256

    def one(self, index: int) -> tuple[Array, ...]:
        """The model's inputs for one sample, with their batch dimension of 1 (or their own, see `whole`)."""
        if self.whole:
            return tuple(np.asarray(array[index]) for array in self.inputs)
        return tuple(array[index : index + 1] for array in self.inputs)

    def encoded(self, index: int) -> bytes | None:
        """The file's bytes; None when the data set does not hold files. Read again on each call."""
        return self._sample(index).encoded

    def pixels(self, index: int) -> Pixels | None:
        """The decoded image, uint8 (H, W, 3), before colour conversion; None for samples that are no images."""
        sample = self._sample(index)
        if sample.encoded is None or not isinstance(self.preprocess, ImagePreprocess):
            return sample.pixels
        return decode_image(sample.encoded, self.preprocess, name=sample.id)

    def waveform(self, index: int) -> Waveform | None:
        """The decoded sound, float32 (clip_samples,), before framing; None for samples that are no sounds."""
        sample = self._sample(index)
        if sample.tensors or not isinstance(self.preprocess, AudioPreprocess):
            return None
        return _waveform(sample, self.preprocess)

    def _sample(self, index: int) -> Sample:
        return self.subset.split[self.subset.indices[index]]


def materialize(
    subset: Subset,
    inputs: Sequence[TensorSpec],
    preprocess: Preprocess | None,
    *,
    corrupt: Corrupt = "refuse",
    progress: Progress = SILENT,
) -> Samples:
    """Read `subset` as the model's `inputs`: images and sounds go through `preprocess`, tensors stay as they are.

    Raises DataError naming the file for one that cannot be read (`corrupt="skip"` leaves it out and names it in
    `skipped`), and SpecError when a sample does not fit the inputs.
    """
    _check_batch_of_one(inputs)
    stack = _Stack(len(subset))
    kept, skipped = _read_each(
        subset, lambda sample: stack.add(sample.id, _model_inputs(sample, inputs, preprocess)), corrupt, progress
    )
    return Samples(
        inputs=stack.arrays(),
        labels=kept.labels(),
        ids=tuple(subset.split.id_of(index) for index in kept.indices),
        skipped=skipped,
        subset=kept,
        preprocess=preprocess,
    )


def materialize_pixels(
    subset: Subset, preprocess: ImagePreprocess, *, corrupt: Corrupt = "refuse", progress: Progress = SILENT
) -> tuple[Pixels, Labels]:
    """Read `subset` as uint8 (N, h, w, C) and labels int64 (N,): all of the preprocessing but the arithmetic.

    A quarter of the memory of float32; `normalize` makes the model's input of it. Raises DataError as materialize
    does, and for an unlabelled subset.
    """
    if subset.split.labels_of() is None:
        raise DataError(f"{subset.split.source} has no labels; training needs them")
    stack = _Stack(len(subset))

    def add(sample: Sample) -> None:
        stack.add(sample.id, (to_pixels(_decoded(sample, preprocess), preprocess)[np.newaxis],))

    kept, _ = _read_each(subset, add, corrupt, progress)
    labels = kept.labels()
    assert labels is not None
    return stack.arrays()[0], labels


class _Stack:
    """Arrays that grow sample by sample, in place: the whole is never held twice."""

    def __init__(self, capacity: int) -> None:
        self._capacity, self._length = capacity, 0
        self._arrays: list[Array] = []

    def add(self, name: str, tensors: tuple[Array, ...]) -> None:
        if not self._arrays:
            self._arrays = [np.empty((self._capacity, *tensor.shape[1:]), tensor.dtype) for tensor in tensors]
        for array, tensor in zip(self._arrays, tensors, strict=True):
            if array.shape[1:] != tensor.shape[1:]:
                allowed = f"must have the shape of the samples before it, {list(array.shape[1:])}"
                raise SpecError(
                    "data",
                    [Problem(name, str(list(tensor.shape[1:])), allowed)],
                    hint="samples are measured at one size: give [preprocess] a resize or a crop",
                )
            array[self._length] = tensor[0]
        self._length += 1

    def arrays(self) -> tuple[Array, ...]:
        return tuple(array[: self._length] for array in self._arrays)


def _read_each(
    subset: Subset, use: Callable[[Sample], None], corrupt: Corrupt, progress: Progress
) -> tuple[Subset, tuple[str, ...]]:
    """Call `use` with each sample; returns what was used, and the ids of what was left out."""
    split = subset.split
    kept: list[int] = []
    skipped: list[str] = []
    with progress.task(f"reading {split.source} ({split.name})", total=len(subset)) as task:
        for index in subset.indices:
            try:
                use(split[index])
            except DataError as error:
                if corrupt == "refuse":
                    hint = "; ".join(filter(None, [error.hint, "--corrupt skip leaves such samples out"]))
                    raise DataError(error.message, hint=hint) from error
                skipped.append(split.id_of(index))
            else:
                kept.append(index)
            task.advance()
    if not kept:
        raise DataError(f"{split.source}: none of the {len(subset)} sample(s) of {split.name} can be read")
    if skipped:
        progress.warn(
            f"{split.source}: left out {len(skipped)} of {len(subset)} samples that cannot be read: "
            f"{', '.join(skipped[:5])}{', …' if len(skipped) > 5 else ''}"
        )
    return (subset if not skipped else Subset(split, tuple(kept))), tuple(skipped)


def _decoded(sample: Sample, preprocess: ImagePreprocess) -> Pixels:
    """uint8 (H, W, 3) of an image sample. Raises DataError naming a file that cannot be decoded."""
    if sample.encoded is not None:
        return decode_image(sample.encoded, preprocess, name=sample.id)
    if sample.pixels is None:
        raise SpecError("data", [Problem(sample.id, "tensors", "must be an image, since the model has preprocessing")])
    return sample.pixels


def _waveform(sample: Sample, preprocess: AudioPreprocess) -> Waveform:
    """float32 (clip_samples,) of a sample that is a sound. Raises DataError naming a file that cannot be decoded."""
    if sample.encoded is not None:
        return decode_audio(sample.encoded, preprocess, name=sample.id)
    if sample.waveform is None:
        allowed = "must be a sound, since the model has audio preprocessing"
        raise SpecError("data", [Problem(sample.id, "an image", allowed)])
    return to_clip(sample.waveform, preprocess)


def _model_inputs(sample: Sample, inputs: Sequence[TensorSpec], preprocess: Preprocess | None) -> tuple[Array, ...]:
    """The sample as one array per input, each (1, ...) and of the input's dtype. Raises SpecError."""
    if sample.tensors:
        tensors = _in_order(sample, inputs)
    elif preprocess is None:
        allowed = "must be tensors, since the model has no preprocessing"
        raise SpecError(
            "data", [Problem(sample.id, "an image or a sound", allowed)], hint="give recipe.toml a [preprocess] table"
        )
    elif isinstance(preprocess, AudioPreprocess):
        tensors = (audio_features(_waveform(sample, preprocess), preprocess, name=sample.id),)
    else:
        tensors = (normalize(to_pixels(_decoded(sample, preprocess), preprocess)[np.newaxis], preprocess),)
    problems = _misfits(sample.id, inputs, tensors)
    if problems:
        raise SpecError("data", problems, hint="the data must have the shapes of recipe.toml's inputs, or of --input")
    return tuple(_cast(sample.id, spec, tensor) for spec, tensor in zip(inputs, tensors, strict=True))


def takes_one(spec: TensorSpec) -> bool:
    """Whether the first dimension can be 1, as a batch of a single sample."""
    return spec.mismatch((1, *spec.sized()[1:])) is None


def _check_batch_of_one(inputs: Sequence[TensorSpec]) -> None:
    """Samples are run one by one as well as together, so that the first dimension must allow 1."""
    problems = [
        Problem(spec.name, spec.describe(), "the first dimension must be the batch: 1, or dynamic from 1")
        for spec in inputs
        if not takes_one(spec)
    ]
    if problems:
        raise SpecError(
            "inputs",
            problems,
            hint="a data set is fed sample by sample: declare the batch as 1, or as batch=1..8; without data any "
            "shape can be exported",
        )


def _in_order(sample: Sample, inputs: Sequence[TensorSpec]) -> tuple[Array, ...]:
    """The sample's tensors in the order of the model's inputs, by name where the data set names them."""
    wanted = [spec.name for spec in inputs]
    if not sample.names:
        return sample.tensors
    by_name = dict(zip(sample.names, sample.tensors, strict=True))
    if set(by_name) != set(wanted):
        given = ", ".join(sample.names)
        allowed = f"must be the model's inputs: {', '.join(wanted)}"
        raise SpecError("data", [Problem("arrays", given, allowed)], hint="name the arrays as the inputs")
    return tuple(by_name[name] for name in wanted)


def _misfits(name: str, inputs: Sequence[TensorSpec], tensors: tuple[Array, ...]) -> list[Problem]:
    if len(tensors) != len(inputs):
        wanted = ", ".join(f"{spec.name} {spec.describe()}" for spec in inputs)
        return [Problem(name, f"{len(tensors)} tensor(s)", f"must be {len(inputs)} input(s): {wanted}")]
    return [
        Problem(name, f"{tensor.dtype} {list(tensor.shape)}", why)
        for spec, tensor in zip(inputs, tensors, strict=True)
        if (why := spec.mismatch(tensor.shape) or _other_kind(spec, tensor)) is not None
    ]


def _other_kind(spec: TensorSpec, tensor: Array) -> str | None:
    """Floats stay floats and whole numbers whole numbers: anything else would change what the values mean."""
    kinds = {"f": "f", "i": "iu", "u": "iu", "b": "b"}
    wanted = np.dtype(spec.dtype)
    return None if tensor.dtype.kind in kinds[wanted.kind] else f"{spec.name} must be {spec.dtype}"


def _cast(name: str, spec: TensorSpec, tensor: Array) -> Array:
    """`tensor` in the input's dtype. Raises SpecError when a value does not fit in it."""
    wanted = np.dtype(spec.dtype)
    if tensor.dtype == wanted:
        return tensor
    with np.errstate(over="ignore"):
        cast = tensor.astype(wanted)
    fits = np.isfinite(cast).all() if wanted.kind == "f" else bool((cast == tensor).all())
    if not fits:
        raise SpecError("data", [Problem(name, str(tensor.dtype), f"{spec.name}: a value does not fit {spec.dtype}")])
    return cast
