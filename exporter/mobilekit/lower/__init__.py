"""Lower: ExportedProgram -> artifact, one file per target behind one Protocol."""

from mobilekit.lower.target import Lowered, Target
from mobilekit.lower.targets import TARGETS, check_schemes, target

__all__ = ["TARGETS", "Lowered", "Target", "check_schemes", "target"]
