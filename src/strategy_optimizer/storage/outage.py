"""A server that is away costs one call its patience; the others fail at once, until one of them finds it again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

AGAIN = 0.5
"""Seconds between two calls that try whether the server is back."""


class Outage:
    """What the calls of a process know of a server that does not answer; used from several threads.

    Parameters
    ----------
    clock : callable, optional
        Gives seconds that only grow, for tests.

    Examples
    --------
    >>> seconds = iter([0.0, 0.1, 0.6, 0.7])
    >>> outage = Outage(lambda: next(seconds))
    >>> outage.lets_try()
    True
    >>> outage.begin()
    >>> outage.lets_try(), outage.lets_try(), outage.lets_try()
    (False, True, False)
    >>> outage.end()
    >>> outage.lets_try(), outage.is_on
    (True, False)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._next: float | None = None

    @property
    def is_on(self) -> bool:
        """Whether the last that is known is that the server is away."""
        return self._next is not None

    def begin(self) -> None:
        """Note that a call found no answer in all its patience."""
        with self._lock:
            self._next = self._clock() + AGAIN

    def end(self) -> None:
        """Note that the server has answered."""
        if self._next is not None:
            with self._lock:
                self._next = None

    def lets_try(self) -> bool:
        """Return whether a call may try: each may, and one at a time while the server is away."""
        with self._lock:
            if self._next is None:
                return True
            now = self._clock()
            if now < self._next:
                return False
            self._next = now + AGAIN
            return True
