"""The pool's side of one worker: what the worker has in hand."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from strategy_optimizer.tasks.executors.base import Limits
from strategy_optimizer.tasks.executors.child import frames
from strategy_optimizer.tasks.executors.child.page import IDLE, Page
from strategy_optimizer.tasks.executors.guarded_process import (
    MARK,
    THREADS,
    GuardedProcess,
    child_command,
    interpreter_flags,
    start_guard,
)

State: TypeAlias = Literal["starting", "idle", "busy", "ending", "gone"]


@dataclass
class Run:
    """One run that was submitted, until its outcome is known; its key is never used again."""

    key: int
    number: int
    frame: bytes
    attempts: int = 0
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Blueprint:
    """What all workers of a pool have in common."""

    data: int
    table: int
    shared: int
    limits: Limits
    threads: int
    tick: float
    group: str | None
    mark: str


class WorkerProcess(GuardedProcess):
    """A guard with its worker.

    Parameters
    ----------
    plan : Blueprint
        Of the pool.
    page : Page
        Where the worker and its guard write.
    slot : int
        Which page that is.
    serial : int
        Counts the workers of the pool; part of the mark.

    Raises
    ------
    ExecutorError
        When the system starts no more processes.
    """

    def __init__(self, plan: Blueprint, page: Page, slot: int, serial: int) -> None:
        self.slot = slot
        self.state: State = "starting"
        self.run: Run | None = None
        self.next: Run | None = None
        self.is_tired = False
        self.is_overdue = False
        self.waits_to_send = False
        self.since = time.monotonic()
        self.baseline: int | None = None
        self.pid = 0
        self.loaded = False
        self.problem = ""
        self._plan = plan
        super().__init__(page, f"{plan.mark}-{serial}", plan.group)

    def _start(self, jobs: int, control: int) -> subprocess.Popen[bytes]:
        plan = self._plan
        files = {"jobs": jobs, "control": control, "data": plan.data, "table": plan.table}
        worker = {**files, "slot": self.slot, "limits": vars(plan.limits)}
        del worker["control"]
        settings = {
            "slot": self.slot,
            "limits": vars(plan.limits),
            "shared": plan.shared,
            "tick": plan.tick,
            "parent": os.getpid(),
            "cgroup": plan.group,
            "mark": self.mark,
            "command": child_command(interpreter_flags(), "worker", worker),
        }
        threads = dict.fromkeys(THREADS, str(plan.threads))
        return start_guard(settings, files, {**os.environ, **threads, MARK: self.mark})

    @property
    def name(self) -> str:
        """What an outcome calls it."""
        return f"process {self.pid or self.guard.pid}"

    def seconds_over(self, limit: float) -> float:
        """Return by how many seconds the run that runs now has passed its time limit; less than 0 before, or idle."""
        turn, number, began = self.page.run()
        # The page is written while it is read: what is said twice is true.
        if number == IDLE or self.page.run() != (turn, number, began):
            return -1.0
        return time.monotonic() - began - limit

    # -- sending ---------------------------------------------------------------------------------------------

    def begin(self, run: Run) -> None:
        """Give it a run."""
        self.run, self.state, self.since = run, "busy", time.monotonic()
        self.send(run.frame)

    def follow(self, run: Run) -> None:
        """Give it a run for afterwards."""
        self.next = run
        self.send(run.frame)

    def advance(self) -> None:
        """Go on to the next run: the first one has ended."""
        self.run, self.next, self.since = self.next, None, time.monotonic()

    def take_back(self) -> Run | None:
        """Return the run that waits behind another one, so that somebody else can have it."""
        run, self.next = self.next, None
        if run is not None:
            self.page.withdraw(run.key)
        return run

    def end(self) -> None:
        """Let it end itself, since it is not busy."""
        self.send(frames.pack(frames.END))
