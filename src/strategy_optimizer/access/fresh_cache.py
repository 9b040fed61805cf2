"""Values that are trusted for a moment, so that not each request asks the database."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class FreshCache(Generic[K, V]):
    """The newest values, each fresh for some seconds; may be used from several threads.

    Parameters
    ----------
    seconds : float
        For how long a value is given out, counted from the `read_at` that it is put with.
    size : int
        At most so many values; those used longest ago go first.
    clock : callable, optional
        Seconds that only grow.

    Examples
    --------
    >>> cache = FreshCache(1.5, clock=lambda: 10.0)
    >>> cache.put("a", 1, read_at=9.0); cache.put("b", 2, read_at=8.0)
    >>> cache.get("a"), cache.get("b"), cache.knows("b"), cache.knows("c")
    (1, None, True, False)
    """

    def __init__(
        self, seconds: float, *, size: int = 4096, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self._seconds = seconds
        self._size = size
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        """Return a value that is fresh."""
        with self._lock:
            found = self._values.get(key)
            if found is None or self.clock() - found[0] >= self._seconds:
                return None
            self._values.move_to_end(key)
            return found[1]

    def knows(self, key: K) -> bool:
        """Return whether there is a value, fresh or not."""
        with self._lock:
            return key in self._values

    def put(self, key: K, value: V, *, read_at: float) -> None:
        """Keep a value that was read at a moment of the clock."""
        with self._lock:
            self._values[key] = (read_at, value)
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)

    def forget(self, key: K) -> None:
        """Remove a value."""
        with self._lock:
            self._values.pop(key, None)

    def forget_where(self, condition: Callable[[V], bool]) -> None:
        """Remove the values that a condition holds for."""
        with self._lock:
            for key in [key for key, (_, value) in self._values.items() if condition(value)]:
                del self._values[key]

    def __len__(self) -> int:
        return len(self._values)
