"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path


def usable_cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the processors that this process may run on, or fewer where its container has a smaller quota."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:
        allowed = os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _quota(groups))))


def _quota(groups: Path) -> float:
    """Return the processors of a container's quota; infinite without one."""
    try:
        most, period = (groups / "cpu.max").read_text().split()
        return math.inf if most == "max" else int(most) / int(period)
    except (OSError, ValueError):
        pass
    try:
        most = (groups / "cpu" / "cpu.cfs_quota_us").read_text()
        period = (groups / "cpu" / "cpu.cfs_period_us").read_text()
        return int(most) / int(period) if int(most) > 0 else math.inf
    except (OSError, ValueError):
        return math.inf
