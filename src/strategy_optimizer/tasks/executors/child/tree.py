"""The descendants of a process: who they are, what they use, and how they all end.

Linux is asked through /proc. Elsewhere `ps` is: slower, without processor time, and a process that leaves its parent
is lost sight of.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from .system import LINUX

_TICKS = os.sysconf("SC_CLK_TCK")


def descendants(root: int) -> list[int]:
    """Return the children of `root`, theirs, and so on; quick, and blind for a moment when one of them ends."""
    if not LINUX:
        return _below(root, {pid: parent for pid, (parent, _) in _ps().items()})
    found: list[int] = []
    todo = [root]
    while todo:
        for child in _children(todo.pop()):
            found.append(child)
            todo.append(child)
    return found


def all_descendants(root: int) -> list[int]:
    """Return the same from the list of all processes: slower, and blind for nothing."""
    if not LINUX:
        return descendants(root)
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parents[int(name)] = int(_stat(int(name))[1])
    return _below(root, parents)


def use_of(pids: list[int], shared: int = 0) -> tuple[int, float]:
    """Return the resident bytes and the processor seconds of processes.

    Parameters
    ----------
    pids : list of int
        Those that ended count nothing.
    shared : int
        Bytes of shared memory that each may have mapped and that are not its own.

    Notes
    -----
    Mapped files are not counted: they are the system's to drop.
    """
    if not LINUX:
        table = _ps()
        return sum(table[pid][1] for pid in pids if pid in table), 0.0
    memory, seconds = 0, 0.0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError, ValueError):
            own, mapped = _resident(pid)
            memory += own + max(0, mapped - shared)
            # After the name: state is [0]; user, system, and those of children waited for are [11] to [14].
            seconds += sum(map(int, _stat(pid)[11:15])) / _TICKS
    return memory, seconds


def end_all(root: int, seconds: float = 5.0) -> list[int]:
    """Kill all descendants of this process, which must adopt orphans; returns those that would not end.

    First all are stopped, in sweeps until a sweep finds nobody new, so that none can start another meanwhile.
    """
    deadline = time.monotonic() + seconds
    while _has_children():
        stopped: set[int] = set()
        while new := [pid for pid in all_descendants(root) if pid not in stopped]:
            for pid in new:
                send(pid, signal.SIGSTOP)
            stopped.update(new)
        for pid in stopped:
            send(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return sorted(stopped)
        time.sleep(0.001)
    return []


def send(pid: int, number: int) -> None:
    """Send a signal; a process that is gone, or not ours, is nobody's concern."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


class Reaped:
    """What is known of the children that ended."""

    def __init__(self) -> None:
        self.worker = 0
        self.status: int | None = None  # of the worker; None while it lives
        self.cpu_seconds = 0.0  # of all


reaped = Reaped()


def reap() -> None:
    """Take note of the children that ended."""
    _has_children()


def _has_children() -> bool:
    while True:
        try:
            pid, status, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        reaped.cpu_seconds += used.ru_utime + used.ru_stime
        if pid == reaped.worker:
            reaped.status = status


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            children.extend(map(int, _text(f"/proc/{pid}/task/{thread}/children").split()))
    except OSError:
        pass  # it has just ended
    return children


def _resident(pid: int) -> tuple[int, int]:
    """Return the bytes of its own, and those in shared memory."""
    own = mapped = 0
    for line in _text(f"/proc/{pid}/status").splitlines():
        if line.startswith(b"RssAnon:"):
            own = int(line.split()[1]) * 1024
        elif line.startswith(b"RssShmem:"):
            mapped = int(line.split()[1]) * 1024
            break
    return own, mapped


def _stat(pid: int) -> list[bytes]:
    # The name, in brackets, may hold anything.
    return _text(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def _text(path: str) -> bytes:
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 65536)
    finally:
        os.close(file)


def _below(root: int, parents: dict[int, int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    todo = [root]
    while todo:
        new = children.get(todo.pop(), [])
        found += new
        todo += new
    return found


def _ps() -> dict[int, tuple[int, int]]:
    """Return each process's parent and resident bytes."""
    import subprocess  # heavy for a guard, and not needed on Linux

    lines = subprocess.run(["ps", "-axo", "pid=,ppid=,rss="], capture_output=True, check=False).stdout
    rows = (line.split() for line in lines.splitlines())
    return {int(row[0]): (int(row[1]), int(row[2]) * 1024) for row in rows if len(row) == 3}
