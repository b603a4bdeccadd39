"""Data: data sets by name or path, fixed splits, and the subsets that calibrate and measure. Never trains."""

from mobilekit.data.base import Dataset, Sample, Split
from mobilekit.data.generate import generated
from mobilekit.data.samples import Samples, materialize, materialize_pixels
from mobilekit.data.sources import dataset_names, open_dataset
from mobilekit.data.subset import Subset, subset

__all__ = [
    "Dataset",
    "Sample",
    "Samples",
    "Split",
    "Subset",
    "dataset_names",
    "generated",
    "materialize",
    "materialize_pixels",
    "open_dataset",
    "subset",
]
