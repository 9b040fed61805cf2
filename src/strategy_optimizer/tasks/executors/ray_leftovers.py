"""Ends what is left of a Ray cluster of ours, and removes its folder; also when the program that started it was killed.

Run by its file, with the folder as its argument, it waits until its standard input ends, as it does with the program.
It uses the standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

MARK = "STRATEGY_OPTIMIZER_RAY"
"""Every process of a cluster of ours, and all that it starts, has this variable: the folder of the cluster."""


def marked(folder: str, owner: int) -> list[int]:
    """Return the processes of a cluster, without this one and its owner; none where the system has no /proc."""
    names = os.listdir("/proc") if os.path.isdir("/proc") else []  # noqa: PTH112, PTH208 (pathlib is slow to load)
    others = {int(name) for name in names if name.isdigit()} - {os.getpid(), owner}
    return sorted(process for process in others if has_mark(process, folder) or writes_into(process, folder))


def has_mark(process: int, folder: str) -> bool:
    """Return whether a process has the variable of the cluster."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/environ", "rb") as file:  # noqa: PTH123
        return f"{MARK}={folder}".encode() in file.read().split(b"\0")
    return False


def writes_into(process: int, folder: str) -> bool:
    """Return whether a process has a file of the cluster's folder open, such as its log.

    Ray's agents give themselves a title, which is written over their variables.
    """
    files = f"/proc/{process}/fd"
    with contextlib.suppress(OSError):
        for name in os.listdir(files):  # noqa: PTH208
            with contextlib.suppress(OSError):
                if os.readlink(f"{files}/{name}").startswith(f"{folder}/"):  # noqa: PTH115
                    return True
    return False


def parent_of(process: int) -> int:
    """Return the parent's number; 0 when the process is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/stat", "rb") as file:  # noqa: PTH123
        return int(file.read().rpartition(b")")[2].split()[1])
    return 0


def kill(process: int) -> None:
    """Kill a process that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(process, signal.SIGKILL)


def end_orphans(folder: str, owner: int) -> None:
    """Kill the processes of a cluster whose parent is neither one of them nor the owner."""
    processes = marked(folder, owner)
    for process in processes:
        if parent_of(process) not in (0, owner, *processes):
            kill(process)


def end_all(folder: str, owner: int, seconds: float = 10.0) -> None:
    """Kill all processes of a cluster, wait until they are gone, and remove its folder."""
    end = time.monotonic() + seconds
    while (left := marked(folder, owner)) and time.monotonic() < end:
        for process in left:
            kill(process)
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program = os.getppid()  # it may go on when the cluster has ended
    sys.stdin.read()
    end_all(sys.argv[1], program)
