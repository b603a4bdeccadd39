"""Bench: how fast, how large in memory, how quick to load; every runtime alone in its process."""

from mobilekit.bench.instructions import count_instructions, counter
from mobilekit.bench.measure import BUSY_PER_SECOND, compare_to_eager, disturbed, measure
from mobilekit.bench.stats import Summary, summarize

__all__ = [
    "BUSY_PER_SECOND",
    "Summary",
    "compare_to_eager",
    "count_instructions",
    "counter",
    "disturbed",
    "measure",
    "summarize",
]
