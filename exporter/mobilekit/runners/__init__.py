"""Runners: artifact -> outputs and timings, one file per runtime, each in a process of its own. Imports no runtime."""

from mobilekit.runners.base import Array, Runner, Session
from mobilekit.runners.process import Timing, Worker
from mobilekit.runners.protocol import Effort
from mobilekit.runners.registry import RUNNERS, runner, runner_for
from mobilekit.runners.stream import FedState, Feed

__all__ = [
    "RUNNERS",
    "Array",
    "Effort",
    "FedState",
    "Feed",
    "Runner",
    "Session",
    "Timing",
    "Worker",
    "runner",
    "runner_for",
]
