"""Remembers indicator arrays by their arguments within a memory budget."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

DEFAULT_BUDGET = 128 * 2**20


class IndicatorCache:
    """Least recently used results of ``function(*args)``, at most `budget` bytes of arrays.

    Arrays among the arguments count as the same when they are the same object; the cache keeps them alive, so
    that no other array can take their identity.
    """

    def __init__(self, budget: int = DEFAULT_BUDGET) -> None:
        self.budget = budget
        self._bytes = 0
        self._entries: OrderedDict[tuple[Any, ...], tuple[Any, tuple[Any, ...], int]] = OrderedDict()

    def get(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Return the remembered or the computed result."""
        key = (function, *(id(a) if isinstance(a, np.ndarray) else (type(a), a) for a in args))
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            return entry[0]
        result = function(*args)
        size = result_bytes(result)
        self._entries[key] = (result, args, size)
        self._bytes += size
        while self._bytes > self.budget and len(self._entries) > 1:
            _, (_, _, freed) = self._entries.popitem(last=False)
            self._bytes -= freed
        return result


def result_bytes(result: Any) -> int:
    """Return the size of an array or of a tuple of arrays; arrays become read-only, since others share them."""
    if isinstance(result, np.ndarray):
        result.flags.writeable = False
        return result.nbytes
    if isinstance(result, tuple):
        return sum(result_bytes(part) for part in result)
    return 64
