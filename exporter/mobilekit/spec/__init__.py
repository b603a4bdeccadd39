"""Spec: recipe.toml and options -> validated, typed, frozen values. Never imports torch."""

from mobilekit.spec.base import Spec
from mobilekit.spec.image import ImagePreprocess, Resize
from mobilekit.spec.load import load_recipe, parse_recipe
from mobilekit.spec.recipe import DataSpec, ExportSpec, Recipe, TrainSpec
from mobilekit.spec.tensor import DType, DynamicDim, TensorSpec, parse_inputs

__all__ = [
    "DType",
    "DataSpec",
    "DynamicDim",
    "ExportSpec",
    "ImagePreprocess",
    "Recipe",
    "Resize",
    "Spec",
    "TensorSpec",
    "TrainSpec",
    "load_recipe",
    "parse_inputs",
    "parse_recipe",
]
