"""Lower: ExportedProgram -> artifact, one file per target behind one Protocol."""

from mobilekit.lower.target import Lowered, Realization, Target, realizations
from mobilekit.lower.targets import TARGETS, check_schemes, target

__all__ = ["TARGETS", "Lowered", "Realization", "Target", "check_schemes", "realizations", "target"]
