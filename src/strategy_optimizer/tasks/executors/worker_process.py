"""The pool's side of one worker: its guard, the two sockets to them, and what the worker has in hand."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors.base import Limits
from strategy_optimizer.tasks.executors.child import frames
from strategy_optimizer.tasks.executors.child.page import Page

MARK = "STRATEGY_OPTIMIZER_WORKER"
"""The environment variable that all descendants of a guard carry."""
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)
State: TypeAlias = Literal["starting", "idle", "busy", "ending", "gone"]
_CHILD = Path(__file__).parent / "child"
_BOOT = (
    "import sys, types; package = types.ModuleType('_strategy_optimizer_child'); "
    "package.__path__ = [sys.argv[1]]; sys.modules[package.__name__] = package; "
    "from _strategy_optimizer_child.{module} import main; main(sys.argv[2])"
)


@dataclass
class Run:
    """One run that was submitted, until its outcome is known; its key is never used again."""

    key: int
    number: int
    frame: bytes
    attempts: int = 0
    lost: list[str] = field(default_factory=list)


class Frame(NamedTuple):
    """What a worker said."""

    kind: int
    number: int
    seconds: float
    memory: int
    payload: memoryview


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


class WorkerProcess:
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
        self.page = page
        self.mark = f"{plan.mark}-{serial}"
        self.group = plan.group
        self.state: State = "starting"
        self.run: Run | None = None
        self.next: Run | None = None
        self.is_tired = False
        self.waits_to_send = False
        self.since = time.monotonic()
        self.baseline: int | None = None
        self.pid = 0
        self.loaded = False
        self.problem = ""
        self.heard = b""
        self._buffer = memoryview(bytearray(2**16))
        self._incoming = bytearray()
        self._outgoing = bytearray()
        page.clear()
        self.jobs, jobs = socket.socketpair()
        self.control, control = socket.socketpair()
        try:
            self.guard = self._start(plan, jobs.fileno(), control.fileno())
        except OSError as error:
            self.jobs.close()
            self.control.close()
            raise ExecutorError(f"no worker process can be started: {error.strerror or error}") from error
        finally:
            jobs.close()
            control.close()
        self.jobs.setblocking(False)
        self.control.setblocking(False)

    def _start(self, plan: Blueprint, jobs: int, control: int) -> subprocess.Popen[bytes]:
        files = {"jobs": jobs, "control": control, "data": plan.data, "table": plan.table}
        settings: dict[str, Any] = {
            **files,
            "slot": self.slot,
            "limits": vars(plan.limits),
            "shared": plan.shared,
            "tick": plan.tick,
            "parent": os.getpid(),
            "cgroup": plan.group,
            "mark": self.mark,
        }
        flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        worker = {name: settings[name] for name in ("jobs", "data", "table", "slot", "limits")}
        settings["command"] = _command(flags, "worker", worker)
        return subprocess.Popen(
            _command([*flags, "-S", "-P"], "guard", settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(THREADS, str(plan.threads)), MARK: self.mark},
            pass_fds=tuple(files.values()),
            start_new_session=True,
        )

    @property
    def name(self) -> str:
        """What an outcome calls it."""
        return f"process {self.pid or self.guard.pid}"

    # -- sending ---------------------------------------------------------------------------------------------

    def begin(self, run: Run) -> None:
        """Give it a run."""
        self.run, self.state, self.since = run, "busy", time.monotonic()
        self._outgoing += run.frame
        self.flush()

    def follow(self, run: Run) -> None:
        """Give it a run for afterwards."""
        self.next = run
        self._outgoing += run.frame
        self.flush()

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
        self._outgoing += frames.pack(frames.END)
        self.flush()

    def stop(self) -> None:
        """Have it killed at once, with all that it started."""
        try:
            self.control.send(b"s")
        except OSError:
            return  # its guard is going already

    def flush(self) -> bool:
        """Send what waits; returns whether all of it is gone."""
        try:
            while self._outgoing:
                del self._outgoing[: self.jobs.send(self._outgoing)]
        except BlockingIOError:
            return False
        except OSError:
            self._outgoing.clear()  # it is dead; its guard will say so
        return True

    # -- receiving -------------------------------------------------------------------------------------------

    def receive(self) -> tuple[list[Frame], bool]:
        """Return the frames that have arrived whole, and whether more can come."""
        is_open = True
        while True:
            try:
                size = self.jobs.recv_into(self._buffer)
            except BlockingIOError:
                break
            except OSError:
                size = 0
            if not size:
                is_open = False
                break
            self._incoming += self._buffer[:size]
            if size < len(self._buffer):
                break
        return list(self._frames()), is_open

    def _frames(self) -> Iterator[Frame]:
        size = frames.HEADER.size
        while len(self._incoming) >= size:
            kind, number, length, seconds, memory = frames.HEADER.unpack_from(self._incoming)
            if len(self._incoming) < size + length:
                return
            payload = bytes(self._incoming[size : size + length])
            del self._incoming[: size + length]
            yield Frame(kind, number, seconds, memory, memoryview(payload))

    def listen(self) -> dict[str, Any] | None:
        """Read what the guard says; returns its report when it has ended, an empty one if it had no time for any."""
        while True:
            try:
                part = self.control.recv(65536)
            except BlockingIOError:
                return None
            except OSError:
                part = b""
            if not part:
                break
            self.heard += part
        try:
            report: dict[str, Any] = json.loads(self.heard)
        except ValueError:
            return {}
        return report

    # -- the end ---------------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """Close both sockets, upon which the guard ends everything and itself."""
        self.jobs.close()
        self.control.close()

    def join(self, seconds: float) -> bool:
        """Wait for the guard's end; returns whether it was killed and may have left something behind."""
        try:
            return self.guard.wait(seconds) != 0
        except subprocess.TimeoutExpired:
            self.guard.kill()
            self.guard.wait()
            return True


def _command(flags: list[str], module: str, settings: dict[str, Any]) -> list[str]:
    return [sys.executable, *flags, "-c", _BOOT.format(module=module), str(_CHILD), json.dumps(settings)]
