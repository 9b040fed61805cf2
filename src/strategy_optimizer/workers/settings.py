"""What a worker is told when it starts."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path

from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks.executors.cores import usable_cores

GIGABYTE = 2**30


def new_name() -> str:
    """Return a name for a worker that no other has: machine, process, and chance."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(3)}"


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """Where a worker finds its tasks, how many it runs, and its times in seconds.

    Parameters
    ----------
    database : str
        Address of the store.
    folder : Path
        Data folder: copies of strategies and datasets, and who works on this machine.
    slots : int
        Tasks at once, each in a process of its own.
    threads : int, optional
        Of each task; the processors shared among the slots by default.
    memory : int, optional
        Resident bytes of a task's process and of all that it starts, at most; one that passes it, or the smaller ones
        that it was given, has failed.
    niceness : int
        Of a task's process, 0 to 19: how far it steps back behind all else on the machine.
    name : str
        No other worker has it.
    lease, heartbeat : float
        How long a lease holds, and how often it is renewed.
    look : float
        Between two looks for wishes of owners.
    grace : float
        That a task has to stop when its owner wants it to; then its process is killed.
    drain : float
        That tasks have to save themselves when the worker ends.
    output : int
        Bytes of a task's output that reach the log.
    strategies : Path, optional
        Folder of the users' strategy files.
    private_webhooks : bool
        Whether webhooks may go to private addresses.
    ray_address : str, optional
        The Ray cluster that runs trials of engines.
    engine_variables : tuple of str
        Variables of this process's environment that engines find in theirs.

    Raises
    ------
    TaskError
        When one of them is not positive.
    """

    database: str
    folder: Path
    slots: int = 1
    threads: int | None = None
    memory: int | None = 4 * GIGABYTE
    niceness: int = 10
    name: str = field(default_factory=new_name)
    lease: float = 12.0
    heartbeat: float = 3.0
    look: float = 0.5
    grace: float = 0.8
    drain: float = 10.0
    output: int = 2**16
    strategies: Path | None = None
    private_webhooks: bool = False
    ray_address: str | None = None
    engine_variables: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("slots", "threads", "memory", "lease", "heartbeat", "look", "grace", "drain"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise TaskError(f"{name} of the worker is {value}; expected more than 0")
        if self.lease < 2 * self.heartbeat:
            raise TaskError(
                f"a lease of {self.lease:g} s is too short for a heartbeat each {self.heartbeat:g} s; "
                "expected at least twice as long"
            )

    @property
    def threads_per_task(self) -> int:
        """Threads of each task."""
        return self.threads or max(1, usable_cores() // self.slots)

    def engine_environment(self) -> dict[str, str]:
        """Return the variables that tasks on engines find: those that are named, and Ray's own where it is used."""
        names = [name for name in os.environ if self.ray_address and name.startswith("RAY_")]
        return {name: os.environ[name] for name in (*self.engine_variables, *names) if name in os.environ}

    @property
    def presence(self) -> Path:
        """The folder in which the workers of this machine and store say that they live."""
        return self.folder / "workers" / hashlib.sha256(self.database.encode()).hexdigest()[:12]
