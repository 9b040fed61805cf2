"""How far a walk-forward is: the searches of all windows together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

INTERVAL = 0.1  # seconds between two reports of a search that goes on


@dataclass(frozen=True)
class WindowsProgress:
    """How far it is; at most about ten of them a second, and one for each window that is done.

    Attributes
    ----------
    done, windows : int
        Training windows searched, and all of them.
    trials : int
        Made so far, in all windows.
    elapsed : float
        Seconds.
    fraction : float
        Share of the planned trials that is made, 0 to 1; a window that ended early counts as whole.
    seconds_left : float or None
        Estimated from the share; None before the first trial.
    """

    done: int
    windows: int
    trials: int
    elapsed: float
    fraction: float
    seconds_left: float | None


WindowsSink: TypeAlias = Callable[[WindowsProgress], None]


class Tracker:
    """Adds up what the searches of all windows report; they may run in different threads.

    Parameters
    ----------
    windows : int
    planned : int or None
        Trials of each.
    sink : callable, optional
        Receives `WindowsProgress`, one at a time.
    """

    def __init__(self, windows: int, planned: int | None, sink: WindowsSink | None) -> None:
        self._windows = windows
        self._planned = planned
        self._sink = sink
        self._lock = threading.Lock()
        self._started = self._last = time.perf_counter()
        self._trials: dict[range, int] = {}
        self._done: set[range] = set()
        self._kept = 0.0  # share of all trials that an earlier session made

    def note(self, train: range, trials: int) -> None:
        """Note how many trials the search of a window has made so far."""
        self._note(train, trials, finished=False)

    def kept(self, train: range, trials: int) -> None:
        """Note that an earlier session searched a window."""
        self._trials[train] = trials
        self._done.add(train)
        self._kept = len(self._done) / self._windows

    def finished(self, train: range, trials: int) -> None:
        """Note that a window's search is done."""
        self._note(train, trials, finished=True)

    def seconds_left(self) -> float | None:
        """Return how long the rest takes if it goes on as it has since the beginning; None before the first trial."""
        with self._lock:
            return self._progress(time.perf_counter() - self._started).seconds_left

    def _note(self, train: range, trials: int, *, finished: bool) -> None:
        with self._lock:
            self._trials[train] = trials
            if finished:
                self._done.add(train)
            now = time.perf_counter()
            if self._sink is not None and (finished or now - self._last >= INTERVAL):
                self._last = now
                self._sink(self._progress(now - self._started))

    def _progress(self, elapsed: float) -> WindowsProgress:
        shares = [
            1.0 if train in self._done else min(1.0, trials / self._planned) if self._planned else 0.0
            for train, trials in self._trials.items()
        ]
        fraction = sum(shares) / self._windows
        return WindowsProgress(
            done=len(self._done),
            windows=self._windows,
            trials=sum(self._trials.values()),
            elapsed=elapsed,
            fraction=fraction,
            seconds_left=elapsed * (1.0 - fraction) / made if (made := fraction - self._kept) > 0.0 else None,
        )
