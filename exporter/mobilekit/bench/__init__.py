"""Bench: how fast, how large in memory, how quick to load; every runtime in a process of its own, all in turns."""

from mobilekit.bench.cold import cold_start
from mobilekit.bench.instructions import count_instructions, counter
from mobilekit.bench.measure import disturbances_of, disturbed, measure
from mobilekit.bench.noise import BUSY_PER_SECOND, Watch, disturbances
from mobilekit.bench.stats import Summary, summarize
from mobilekit.bench.together import Entry, Protocol, measure_together, untimed

__all__ = [
    "BUSY_PER_SECOND",
    "Entry",
    "Protocol",
    "Summary",
    "Watch",
    "cold_start",
    "count_instructions",
    "counter",
    "disturbances",
    "disturbances_of",
    "disturbed",
    "measure",
    "measure_together",
    "summarize",
    "untimed",
]
