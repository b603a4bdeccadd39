"""Arrays between a caller and its worker: NumPy's own .npy records, one after the other, in a file both hold open.

Refuses objects: nothing is ever pickled.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence

import numpy as np
from numpy.lib import format as npy

from mobilekit.runners.base import Array

Sample = tuple[Array, ...]


def write_samples(file: io.FileIO, samples: Sequence[Sequence[Array]]) -> None:
    """Replace the file's content by the arrays of all samples. `file` must be unbuffered: the other side reads it."""
    file.seek(0)
    file.truncate()
    for sample in samples:
        for array in sample:
            # tofile() writes at the file descriptor's position, which an unbuffered file shares with write().
            npy.write_array(file, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False)


def read_samples(file: io.FileIO, samples: int, tensors: int) -> list[Sample]:
    """What `write_samples` wrote: `samples` samples of `tensors` arrays each. Raises ValueError if it is not there."""
    file.seek(0)
    found = [tuple(npy.read_array(file, allow_pickle=False) for _ in range(tensors)) for _ in range(samples)]
    if file.tell() != os.fstat(file.fileno()).st_size:
        raise ValueError(f"more arrays than the {samples} x {tensors} that were announced")
    return found


def size_of(sample: Sequence[Array]) -> int:
    """Bytes of a sample's values."""
    return sum(array.nbytes for array in sample)
