"""The line that stands beside every figure: processor, cores, memory, load, versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def machine_line() -> str:
    """Return processor, cores, memory and the load average of the last minute, at this moment."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {gigabytes:.0f} GB, "
        f"{platform.system()}, Python {platform.python_version()}, load at start {os.getloadavg()[0]:.2f}"
    )


def versions(packages: Iterable[str]) -> str:
    """Return the installed versions, "absent" where a package is not there."""
    return ", ".join(f"{name} {_version(name)}" for name in packages)


def peak_megabytes() -> float:
    """Return the most memory this process ever had resident, in MB.

    VmHWM belongs to this program alone; ru_maxrss also remembers the process that started it.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError("/proc/self/status has no VmHWM line")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
