"""A control group of one worker, where this process may make one: its members are known and killed by the kernel.

Only version 2 is used, without any controller, so that no delegation is needed beyond a folder that can be written.
"""

from __future__ import annotations

import contextlib
import os
import time

PREFIX = "strategy-optimizer-"


def folder() -> str | None:
    """Return the folder of this process's group, if groups can be made there and killed; None otherwise."""
    try:
        with open("/proc/self/cgroup") as file:
            own = next(line[3:].strip() for line in file if line.startswith("0::"))
        with open("/proc/self/mountinfo") as file:
            mounts = [line.split() for line in file if " - cgroup2 " in line]
    except (OSError, StopIteration):
        return None
    for mount in mounts:
        root, point = mount[3], mount[4]
        if own.startswith(root):
            path = os.path.normpath(point + "/" + own[len(root) :])
            return path if _can_be_used(path) else None
    return None


def make(parent: str, name: str) -> str | None:
    """Make a group below `parent`; None where that is refused."""
    path = f"{parent}/{PREFIX}{name}"
    try:
        os.mkdir(path)
    except OSError:
        return None
    return path


def join(path: str) -> bool:
    """Move this process, and all that it will start, into the group."""
    return _write(f"{path}/cgroup.procs", "0")


def kill(path: str) -> None:
    """Kill all members at once."""
    _write(f"{path}/cgroup.kill", "1")


def remove(path: str, seconds: float = 2.0) -> None:
    """Kill what is left and remove the group."""
    deadline = time.monotonic() + seconds
    kill(path)
    while time.monotonic() < deadline:
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return
        except OSError:  # the killed are still ending
            time.sleep(0.001)
        else:
            return


def _can_be_used(path: str) -> bool:
    if not os.access(path, os.W_OK) or not os.access(f"{path}/cgroup.procs", os.W_OK):
        return False
    trial = f"{path}/{PREFIX}{os.getpid()}-test"
    try:
        os.mkdir(trial)
    except OSError:
        return False
    can_be_killed = os.path.exists(f"{trial}/cgroup.kill")
    with contextlib.suppress(OSError):
        os.rmdir(trial)
    return can_be_killed


def _write(path: str, text: str) -> bool:
    try:
        file = os.open(path, os.O_WRONLY)
    except OSError:
        return False
    try:
        os.write(file, text.encode())
    except OSError:
        return False
    finally:
        os.close(file)
    return True
