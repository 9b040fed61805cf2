"""What runs trials: an executor takes arguments one by one and gives back outcomes in the order they end.

An executor runs any function of one argument. It knows neither backtests nor optimizers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.records import Usage as Usage

GIGABYTE = 2**30

FailureKind: TypeAlias = Literal[
    "raised", "time_limit", "memory_limit", "process_limit", "output_limit", "crashed", "unreadable"
]
"""How a trial can fail: the function raised; a limit was passed; its process died; its value cannot be sent back."""


@dataclass(frozen=True)
class Limits:
    """What one trial may use; None is no limit.

    Parameters
    ----------
    seconds : float, optional
        Wall time.
    memory : int, optional
        Resident bytes of the trial's process and of all that it started.
    processes : int, optional
        Processes that it may have at once, itself included.
    output : int, optional
        Bytes that it may write to its standard output and error.

    Raises
    ------
    ExecutorError
        When a limit is no positive number, or one of bytes or processes is no whole one.
    """

    seconds: float | None = None
    memory: int | None = 4 * GIGABYTE
    processes: int | None = 64
    output: int | None = 2**24

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            kinds, expected = ((int, float), "number") if name == "seconds" else (int, "whole number")
            if value is None or (isinstance(value, kinds) and not isinstance(value, bool) and value > 0):
                continue
            raise ExecutorError(
                f"the limit '{name}' is {value!r}; expected a positive {expected}, or None for none"
            )


@dataclass(frozen=True)
class Outcome:
    """How one run of the function ended.

    Attributes
    ----------
    number : int
        As it was submitted.
    value : object
        What the function returned; None when it failed.
    failure : FailureKind or None
        None when the function returned.
    message : str
        What happened, in one line; empty when the function returned.
    seconds : float
        Wall time inside the function; until its end was noticed when it was killed.
    worker : str
        Who ran it.
    details : str
        For its author: the traceback, or the last output of a process that died; empty when the function returned.
    """

    number: int
    value: Any = None
    failure: FailureKind | None = None
    message: str = ""
    seconds: float = 0.0
    worker: str = ""
    details: str = ""

    @property
    def reason(self) -> str:
        """Why it failed, as the history says it: ``"time_limit: ran longer than 5 s"``; empty when it did not."""
        return f"{self.failure}: {self.message}" if self.failure else ""


class Executor(ABC):
    """Runs one function on many arguments; several at a time where it has several workers.

    A context manager: at its end every worker, and what runs there, is gone.

    Attributes
    ----------
    workers : int
        Runs at once, at most; `usage` says how many workers are there now.
    capacity : int
        Runs that are worth having in flight: as many as workers, or a few more where sending takes time.
    runs_here : bool
        Whether the function runs in the thread that waits, where Ctrl-C may end it.
    """

    workers: int
    capacity: int
    runs_here: bool = False

    @abstractmethod
    def submit(self, number: int, argument: Any) -> None:
        """Run the function on `argument` as soon as a worker is free; returns at once."""

    @abstractmethod
    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """Return the runs that ended since the last call: at least one, or none after `timeout` seconds.

        Without a run in flight it returns an empty list at once.

        Raises
        ------
        ExecutorError
            When no worker can run anything any more.
        """

    @property
    @abstractmethod
    def in_flight(self) -> int:
        """Runs submitted whose outcome was not returned yet."""

    @abstractmethod
    def usage(self) -> Usage:
        """Return what is used now."""

    @abstractmethod
    def close(self) -> None:
        """End the workers and what they run; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
