"""What a process that opens somebody's artifact may take of the machine."""

from __future__ import annotations

import contextlib
import os
import resource


def limit_this_process() -> None:
    """No core dumps, and no more memory of its own than the machine has.

    A damaged file may ask for terabytes: that fails in the process that reads it, whose runtime then says so. Where the
    system has no such limit (macOS) it is left out.
    """
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        if most == resource.RLIM_INFINITY or machine < most:
            resource.setrlimit(resource.RLIMIT_DATA, (machine, machine))
