"""What is asked of the operating system; where it has no answer, the next best is done."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def _prctl(option: int, value: int) -> bool:
    if not LINUX:
        return False
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def adopt_orphans() -> bool:
    """Become the parent of every descendant whose own parent ends, daemons included."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent is gone."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before the kernel was told
        os._exit(1)


def exit_file(pid: int) -> int | None:
    """Return a file that becomes readable when the process ends; None where there is no such thing."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def brake(memory: int | None, processes: int | None) -> None:
    """Limit this process by the kernel's own means, loosely: the exact limits are the guard's.

    An allocation that alone passes the limit fails at once. A process of an ordinary user cannot start thousands.
    """
    import resource

    if memory is not None:
        lower("RLIMIT_DATA", _data_bytes() + memory + memory // 4 + 2**26)
    if processes is not None and os.getuid() != 0:
        # It counts all threads of the user, also those of other programs: leave them room.
        lower("RLIMIT_NPROC", _threads_of_user() + max(8 * processes, 512))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def step_back(niceness: int) -> None:
    """Let other processes of this machine go first.

    Linux gives each session an equal share where it groups them (``sched_autogroup_enabled``), and niceness counts
    within a session alone; so the session of this process, which is its own, is made nice as well.
    """
    os.nice(niceness)
    try:
        Path("/proc/self/autogroup").write_text(str(niceness))
    except (
        OSError
    ):  # not grouped, or not allowed: then niceness counts everywhere, or the system's owner decided
        return


def lower(name: str, value: int) -> None:
    """Lower a limit of this process to `value`; a lower one stays."""
    import resource

    kind = getattr(resource, name, None)
    if kind is None:
        return
    soft, hard = resource.getrlimit(kind)
    known = [limit for limit in (value, soft, hard) if limit != resource.RLIM_INFINITY]
    try:
        resource.setrlimit(kind, (min(known), hard))
    except (ValueError, OSError):
        return


def resident_bytes() -> int:
    """Return this process's own resident memory, without what it shares."""
    try:
        with open("/proc/self/statm", "rb") as file:
            _, resident, shared = file.read().split()[:3]
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def _data_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 2**30


def _threads_of_user() -> int:
    user, count = os.getuid(), 0
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return 4096
    for name in names:
        try:
            if os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue
    return count
