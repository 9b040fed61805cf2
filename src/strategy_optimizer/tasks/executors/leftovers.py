"""Ends what a guard could not end because somebody killed the guard: all that carry its mark."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strategy_optimizer.tasks.executors.child import cgroup

SWEEPS = 20


def end_marked(marks: Sequence[str], group: str | None) -> None:
    """Kill every process whose environment has one of the marks, until there is none."""
    import psutil

    if group is not None:
        for mark in marks:
            cgroup.remove(f"{group}/{cgroup.PREFIX}{mark}")
    for _ in range(SWEEPS):
        found = marked(marks)
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.suspend()
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if not found:
            return
        psutil.wait_procs(found, timeout=0.05)


def marked(marks: Sequence[str]) -> list[Any]:
    """Return the living processes that carry one of the marks."""
    import psutil

    wanted = [f"STRATEGY_OPTIMIZER_WORKER={mark}\0".encode() for mark in marks]
    found = []
    for process in psutil.process_iter():
        if any(mark in _environment(process) for mark in wanted):
            found.append(process)
    return found


def _environment(process: Any) -> bytes:
    try:
        return Path(f"/proc/{process.pid}/environ").read_bytes()
    except OSError:
        pass
    import psutil

    try:
        return "".join(f"{name}={value}\0" for name, value in process.environ().items()).encode()
    except (psutil.Error, OSError):
        return b""
