"""Train: a module and data -> a run folder with its best weights. Never exports; importing this imports torch late."""

from mobilekit.train.data import Part, TrainingData, load_training_data
from mobilekit.train.device import resolve_device
from mobilekit.train.run import TrainResult, train

__all__ = ["Part", "TrainResult", "TrainingData", "load_training_data", "resolve_device", "train"]
