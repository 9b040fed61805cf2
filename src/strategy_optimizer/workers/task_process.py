"""The worker's side of one child process: from its start, when no task is known, to what is left of it."""

from __future__ import annotations

import mmap
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from strategy_optimizer.storage import Lease, TaskRecord
from strategy_optimizer.tasks.executors import Limits
from strategy_optimizer.tasks.executors.child import cgroup
from strategy_optimizer.tasks.executors.child.page import SIZE, Page
from strategy_optimizer.tasks.executors.deaths import death_of, with_last_words
from strategy_optimizer.tasks.executors.guarded_process import (
    MARK,
    THREADS,
    GuardedProcess,
    interpreter_flags,
    start_guard,
)
from strategy_optimizer.tasks.executors.leftovers import end_marked
from strategy_optimizer.tasks.executors.shared_file import nameless_file
from strategy_optimizer.workers import messages
from strategy_optimizer.workers.messages import Ending, Wish
from strategy_optimizer.workers.settings import WorkerSettings

TICK = 0.1
PROCESSES = 256
"""Of a task, and for each trial that it may run at once in processes of their own."""
KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
KEPT_BEGINNINGS = ("LC_", "LD_", "DYLD_", "XDG_", "NUMBA_", "PYTHONHASHSEED", "STRATEGY_OPTIMIZER_CACHE")
"""What a child has of the worker's environment; anything else may be a secret."""
State: TypeAlias = Literal["starting", "warm", "busy", "gone"]


class TaskProcess(GuardedProcess):
    """A child process below its guard.

    Parameters
    ----------
    settings : WorkerSettings

    Attributes
    ----------
    state : {"starting", "warm", "busy", "gone"}
    lease : Lease or None
        Of the task that it runs.
    wish : str or None
        What it was asked last, at the moment `asked`.
    is_checking : bool
        Whether its search has ended.
    ending : str or None
        How it said that it left its task.

    Raises
    ------
    ExecutorError
        When the system starts no more processes.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self.state: State = "starting"
        self.since = time.monotonic()
        self.lease: Lease | None = None
        self.wish: Wish | None = None
        self.asked = 0.0
        self.is_checking = False
        self.ending: Ending | None = None
        self.reason = ""
        self.deadline: float | None = None
        self._settings = settings
        self._table = nameless_file("page")
        os.ftruncate(self._table, SIZE)
        self.log, self._log_end = os.pipe()
        os.set_blocking(self.log, False)
        try:
            mark = f"{os.getpid()}-{secrets.token_hex(4)}"
            super().__init__(Page(mmap.mmap(self._table, SIZE), 0), mark, cgroup.folder())
        finally:
            os.close(self._log_end)
            os.close(self._table)

    def _start(self, jobs: int, control: int) -> subprocess.Popen[bytes]:
        settings = self._settings
        # Each trial of an engine has a guard and a limit of its own, which is to be met first.
        processes = PROCESSES * (1 + settings.threads_per_task)
        limits = vars(Limits(memory=settings.memory, output=None, processes=processes))
        child = {
            "jobs": jobs,
            "table": self._table,
            "limits": limits,
            "niceness": settings.niceness,
        }
        module = "strategy_optimizer.workers.child"
        return start_guard(
            {
                "slot": 0,
                "limits": limits,
                "shared": 0,
                "tick": TICK,
                "parent": os.getpid(),
                "cgroup": self.group,
                "mark": self.mark,
                "command": [sys.executable, *interpreter_flags(), "-P", "-m", module, _json(child)],
                "log_bytes": settings.output,
            },
            {"jobs": jobs, "control": control, "table": self._table, "log": self._log_end},
            {
                **clean_environment(os.environ),
                **dict.fromkeys(THREADS, str(settings.threads_per_task)),
                MARK: self.mark,
            },
        )

    # -- what it is told -------------------------------------------------------------------------------------

    def give(self, lease: Lease, deadline: float | None) -> None:
        """Have it run a task; `deadline` is a moment of the monotonic clock."""
        self.lease, self.deadline, self.state, self.since = lease, deadline, "busy", time.monotonic()
        memory = memory_of(lease.task, self._settings.memory)
        message = {
            "database": self._settings.database,
            "task": lease.task.id,
            "worker": lease.worker,
            "token": lease.token,
            "data_dir": str(self._settings.folder),
            "threads": self._settings.threads_per_task,
            "memory": memory,
            "ray_address": self._settings.ray_address,
            "ray_share": self._settings.slots,
            "variables": self._settings.engine_environment(),
        }
        self.page.narrow(memory or 0)
        self.send(messages.pack(messages.TASK, message))

    def ask(self, wish: Wish) -> None:
        """Have it stop its task, for a reason; asking the same again changes nothing."""
        if self.wish in (wish, "lost", "cancel"):
            return
        self.wish, self.asked = wish, time.monotonic()
        self.send(messages.pack(messages.ASK, {"wish": wish}))

    # -- what it says ----------------------------------------------------------------------------------------

    def hear(self) -> bool:
        """Take in what it said; return whether it can say more."""
        said, is_open = self.receive()
        for frame in said:
            message = messages.unpack(frame.payload)
            if frame.kind == messages.WARM:
                self.state = "warm" if self.state == "starting" else self.state
            elif frame.kind == messages.CHECKING:
                self.is_checking = True
            elif frame.kind == messages.ENDED:
                self.ending, self.reason = message["ending"], message["reason"]
        return is_open

    def output(self) -> Iterator[bytes]:
        """Yield what its code wrote to standard output and error since the last call."""
        while True:
            try:
                part = os.read(self.log, 65536)
            except OSError:
                return
            if not part:
                return
            yield part

    # -- its end ---------------------------------------------------------------------------------------------

    def bury(self, report: Mapping[str, Any]) -> str:
        """Give everything back that it used, and return what became of it, in words."""
        self.state = "gone"
        self.hear()
        self.hang_up()
        was_killed = self.join(2.0)
        if was_killed or not report or report.get("left"):
            end_marked([self.mark], self.group)
        if report.get("verdict") == "memory_limit":
            return str(report["message"])
        return with_last_words(f"its process {death_of(report)}", report)

    def forget_log(self) -> None:
        """Close the end of its output."""
        os.close(self.log)


def memory_of(task: TaskRecord, most: int | None) -> int | None:
    """Return the bytes that a task may take in a worker that gives each at most so many; None is no limit."""
    known = [size for size in (task.memory, most) if size is not None]
    return min(known, default=None)


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a child may know of an environment.

    >>> clean_environment({"PATH": "/bin", "LC_ALL": "C", "PGPASSWORD": "x", "AWS_SECRET_ACCESS_KEY": "y"})
    {'PATH': '/bin', 'LC_ALL': 'C'}
    """
    return {
        name: value for name, value in environment.items() if name in KEPT or name.startswith(KEPT_BEGINNINGS)
    }


def _json(value: Mapping[str, Any]) -> str:
    import json

    return json.dumps(value)
