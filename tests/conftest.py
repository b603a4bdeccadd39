"""Runners that have to be compiled first: made ready once, or a reason to skip. Hypothesis' settings."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# A busy machine is slow, not wrong. The same examples every time: what fails a test is a change, not the day;
# `pytest --hypothesis-profile search` looks for new ones.
settings.register_profile("any machine", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=5000)
settings.load_profile("any machine")

# What is tested is made here and now, and never taken from an earlier export; tests of the cache have their own.
os.environ["MOBILEKIT_CACHE_GB"] = "0"


@pytest.fixture(scope="session")
def native() -> str:
    """The native runner's name, compiled (into the user's own cache: once, whatever runs the tests)."""
    return _ready("native")


@pytest.fixture(scope="session")
def arm64() -> str:
    """The same for an emulated Arm core."""
    return _ready("arm64")


def _ready(name: str) -> str:
    from mobilekit.errors import DownloadError
    from mobilekit.progress import SILENT
    from mobilekit.runners import runner
    from mobilekit.runners.base import OwnProgram

    chosen = runner(name)
    assert isinstance(chosen, OwnProgram)
    reason = chosen.unavailable()
    if reason is not None:
        pytest.skip(reason)
    try:
        chosen.build(SILENT)
    except DownloadError as error:
        pytest.skip(error.message)
    return name
