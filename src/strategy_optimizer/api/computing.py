"""Child processes that compute what the API is asked for: few, with limits, warm, and gone when they are not used.

The API's own process never computes. A child runs named functions only, see `strategy_optimizer.reading.functions`;
the address of the store goes to it over standard input, and what it finds comes back as JSON or as pieces of a file.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import structlog

from strategy_optimizer import errors
from strategy_optimizer.api.child_process import ChildProcess
from strategy_optimizer.api.turns import CallCancelledError, Turns
from strategy_optimizer.errors import (
    ComputationError,
    ComputationMemoryError,
    ComputationTimeError,
)
from strategy_optimizer.reading.frames import BLOCK, ERROR, Frame

LOG = structlog.get_logger(__name__)
TICK = 0.1
"""Seconds between two looks at limits and wishes."""


@dataclass(frozen=True)
class Limits:
    """What the children of a pool may use.

    Parameters
    ----------
    processes : int
        At once.
    of_user : int, optional
        How many of them may work for one user; all, when it is not said.
    seconds : float
        That one call may take.
    memory : int
        Resident bytes of each.
    waiting : int
        Calls that may wait for a process; half of them may be of one user.
    patience : float
        Seconds for which they wait.
    idle : float
        Seconds for which one process is kept when there is nothing to do.
    reused : int
        Resident bytes up to which a process is used again.
    """

    processes: int = 2
    of_user: int | None = None
    seconds: float = 120.0
    memory: int = 2 << 30
    waiting: int = 16
    patience: float = 20.0
    idle: float = 60.0
    reused: int = 1 << 30


class ComputePool:
    """Runs functions in child processes.

    Parameters
    ----------
    store : str
        The address of the store.
    limits : Limits

    Notes
    -----
    May be used from several threads. Processes are started when there is something to do, and given to the users who
    ask in turn, see `Turns`.
    """

    def __init__(self, store: str, limits: Limits = Limits()) -> None:
        self.limits = limits
        self._store = store
        self._turns = Turns(
            limits.processes, of_user=limits.of_user, waiting=limits.waiting, patience=limits.patience
        )
        self._lock = threading.Lock()
        self._idle: tuple[ChildProcess, threading.Timer] | None = None
        self._busy: set[ChildProcess] = set()
        self._is_closed = False

    @property
    def processes(self) -> list[int]:
        """Numbers of the processes that there are."""
        with self._lock:
            idle = [] if self._idle is None else [self._idle[0].pid]
            return [*idle, *(child.pid for child in self._busy)]

    @property
    def waiting(self) -> int:
        """How many calls wait for a process."""
        return self._turns.waiting

    def begin(
        self,
        function: str,
        arguments: Mapping[str, Any],
        *,
        user: str,
        cancelled: threading.Event | None = None,
    ) -> Call:
        """Begin a call as soon as a process is free.

        Parameters
        ----------
        function : str
            Of `strategy_optimizer.reading.functions`.
        arguments : mapping
            JSON values.
        user : str
            Who asks.
        cancelled : Event, optional
            Ends the call when it is set.

        Raises
        ------
        TooManyRequestsError
            When too many of this user wait already.
        ComputationBusyError
            When too many wait already, or none became free in time.
        """
        cancelled = cancelled or threading.Event()
        self._turns.take(user, cancelled)
        try:
            return Call(self, self._take(), function, arguments, user, cancelled)
        except BaseException:
            self._turns.give_back(user)
            raise

    def run(
        self,
        function: str,
        arguments: Mapping[str, Any],
        *,
        user: str,
        cancelled: threading.Event | None = None,
    ) -> bytes:
        """Return what a function finds, as JSON.

        Raises
        ------
        StrategyOptimizerError
            What the function raised, a `ComputationError` or a `TooManyRequestsError`.
        """
        with self.begin(function, arguments, user=user, cancelled=cancelled) as call:
            list(call)
            return call.result

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            self._is_closed = True
            children = list(self._busy)
            if self._idle is not None:
                children.append(self._idle[0])
                self._idle[1].cancel()
                self._idle = None
        for child in children:
            child.end()

    # -- processes -------------------------------------------------------------------------------------------

    def _take(self) -> ChildProcess:
        """Return the idle process, or a new one."""
        child = None
        with self._lock:
            if self._idle is not None:
                child, timer = self._idle
                timer.cancel()
                self._idle = None
        if child is not None and not child.is_alive:
            child.end()
            child = None
        child = child or ChildProcess(self._store)
        with self._lock:
            if not self._is_closed:
                self._busy.add(child)
                return child
        child.end()
        raise ComputationError("the service is ending")

    def replace(self, child: ChildProcess) -> ChildProcess:
        """Return another process for one that has died."""
        with self._lock:
            self._busy.discard(child)
        child.end()
        return self._take()

    def give_back(self, child: ChildProcess, user: str, *, is_usable: bool) -> None:
        """Take a process back from a user; one is kept for the next call."""
        usable = is_usable and child.is_alive and child.memory < self.limits.reused
        with self._lock:
            self._busy.discard(child)
            kept = usable and self._idle is None and not self._is_closed
            if kept:
                timer = threading.Timer(self.limits.idle, self._end_idle, (child,))
                timer.daemon = True
                self._idle = child, timer
                timer.start()
        if not kept:
            child.end()
        self._turns.give_back(user)

    def _end_idle(self, child: ChildProcess) -> None:
        with self._lock:
            if self._idle is None or self._idle[0] is not child:
                return
            self._idle = None
        child.end()


class Call:
    """A function that runs in a child process.

    Use it as a context: leaving it ends what still runs and frees the process.

    Attributes
    ----------
    result : bytes
        What it found, once `next_block` returned None.
    """

    def __init__(
        self,
        pool: ComputePool,
        child: ChildProcess,
        function: str,
        arguments: Mapping[str, Any],
        user: str,
        cancelled: threading.Event,
    ) -> None:
        self.result = b""
        self._request = function, arguments
        self._pool = pool
        self._child = child
        self._user = user
        self._cancelled = cancelled
        self._until = time.monotonic() + pool.limits.seconds
        self._looked = 0.0
        self._is_done = False
        self._is_closed = False
        self._lock = threading.Lock()
        self._may_be_stale = child.was_used
        child.ask(function, arguments)

    def next_block(self) -> bytes | None:
        """Return the next piece of the file that the function makes, None after the last.

        Raises
        ------
        StrategyOptimizerError
            What the function raised, or a `ComputationError`.
        CallCancelledError
            When nobody wants it any more.
        """
        while not self._is_done:
            frame = self._frame()
            self._check_limits()
            if frame is None:
                continue
            self._may_be_stale = False
            kind, payload = frame
            if kind == BLOCK:
                return payload
            self._is_done = True
            if kind == ERROR:
                raise _raised(json.loads(payload))
            self.result = payload
        return None

    def __iter__(self) -> Iterator[bytes]:
        while (block := self.next_block()) is not None:
            yield block

    def _frame(self) -> Frame | None:
        """Return what comes next; a process that died while it was idle is replaced."""
        try:
            return self._child.next(TICK)
        except ComputationError:
            if not self._may_be_stale:
                raise
            self._may_be_stale = False
            self._child = self._pool.replace(self._child)
            self._child.ask(*self._request)
            return None

    def close(self) -> None:
        """End it unless it has ended, and free the process."""
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
        if not was_closed:
            self._pool.give_back(self._child, self._user, is_usable=self._is_done)

    def wait_a_little(self) -> None:
        """Wait for who takes what the function makes.

        Raises
        ------
        CallCancelledError, ComputationError
            As of `next_block`: the process is held all the while.
        """
        self._cancelled.wait(TICK)
        self._check_limits()

    def _check_limits(self) -> None:
        if self._cancelled.is_set():
            raise CallCancelledError
        now, limits = time.monotonic(), self._pool.limits
        if now - self._looked < TICK:
            return
        self._looked = now
        if now > self._until:
            raise ComputationTimeError(f"it took longer than {limits.seconds:g} s and was ended")
        if self._child.memory > limits.memory:
            raise ComputationMemoryError(f"it took more than {limits.memory >> 20:,} MB and was ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _raised(found: Mapping[str, Any]) -> errors.StrategyOptimizerError:
    """Return the error of a child as one of this process."""
    cls = getattr(errors, found["name"] or "", None)
    if not (isinstance(cls, type) and issubclass(cls, errors.StrategyOptimizerError)):
        LOG.error("a child process failed", error=found["message"], traceback=found.get("traceback"))
        return ComputationError(found["message"])
    error = cls(found["message"])
    for name, value in found["knows"].items():
        setattr(error, name, value)
    return error
