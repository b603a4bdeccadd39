"""Spec: recipe.toml and options -> validated, typed, frozen values. Never imports torch."""

from mobilekit.spec.audio import AudioPreprocess
from mobilekit.spec.base import Spec
from mobilekit.spec.image import ImagePreprocess, Resize
from mobilekit.spec.load import load_recipe, parse_recipe
from mobilekit.spec.preprocess import Preprocess
from mobilekit.spec.quantize import QuantizeSpec
from mobilekit.spec.recipe import DataSpec, ExportSpec, Recipe
from mobilekit.spec.stream import Streaming, StreamSpec, StreamState
from mobilekit.spec.tensor import DType, DynamicDim, TensorSpec, parse_inputs
from mobilekit.spec.train import AugmentSpec, TrainSpec

__all__ = [
    "AudioPreprocess",
    "AugmentSpec",
    "DType",
    "DataSpec",
    "DynamicDim",
    "ExportSpec",
    "ImagePreprocess",
    "Preprocess",
    "QuantizeSpec",
    "Recipe",
    "Resize",
    "Spec",
    "StreamSpec",
    "StreamState",
    "Streaming",
    "TensorSpec",
    "TrainSpec",
    "load_recipe",
    "parse_inputs",
    "parse_recipe",
]
