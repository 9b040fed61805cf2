"""A cache that forgets what was not used for the longest time, and computes what is missing once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Keeps values up to a total weight.

    Parameters
    ----------
    limit : int
        The most that all values together may weigh; one that alone weighs more is not kept.
    weigh : callable
        Returns the weight of a value.

    Notes
    -----
    May be used from several threads; those that ask for the same missing value wait for the first of them.

    Examples
    --------
    >>> cache = BoundedCache[str, str](limit=5, weigh=len)
    >>> cache.get("a", lambda: "abc"), cache.get("a", lambda: "another"), cache.get("b", lambda: "xyz")
    ('abc', 'abc', 'xyz')
    >>> cache.get("a", lambda: "forgotten")
    'forgotten'
    """

    def __init__(self, limit: int, weigh: Callable[[V], int]) -> None:
        self.limit = limit
        self._weigh = weigh
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._weight = 0
        self._made: dict[K, Future[V]] = {}
        self._lock = threading.Lock()

    @property
    def weight(self) -> int:
        """What all values together weigh."""
        return self._weight

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key; `make` gives it when it is missing, and what it raises is not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            waiting = self._made.get(key)
            if waiting is None:
                future = self._made[key] = Future()
        if waiting is not None:
            return waiting.result()
        return self._make(key, future, make)

    def find(self, key: K) -> V | None:
        """Return the value of a key, None when it is missing."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: K, value: V) -> None:
        """Keep a value."""
        with self._lock:
            self._keep(key, value)

    def _make(self, key: K, future: Future[V], make: Callable[[], V]) -> V:
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._made[key]
            future.set_exception(error)
            raise
        with self._lock:
            del self._made[key]
            self._keep(key, value)
        future.set_result(value)
        return value

    def _keep(self, key: K, value: V) -> None:
        if key in self._kept:
            self._weight -= self._weigh(self._kept.pop(key))
        self._kept[key] = value
        self._weight += self._weigh(value)
        while self._weight > self.limit:
            _, dropped = self._kept.popitem(last=False)
            self._weight -= self._weigh(dropped)
