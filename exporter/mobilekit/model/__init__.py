"""Model: a name on the command line -> a module, its weights and its recipe. Importing this costs no torch."""

from mobilekit.model.resolve import resolve
from mobilekit.model.run import RunCard, load_run_card, write_run_card
from mobilekit.model.source import ModelSource
from mobilekit.model.zoo import zoo_names

__all__ = ["ModelSource", "RunCard", "load_run_card", "resolve", "write_run_card", "zoo_names"]
