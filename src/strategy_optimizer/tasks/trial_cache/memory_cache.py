"""The trials of one task in memory: those used longest ago make room."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks.trial_cache.cached_trial import CachedTrial
from strategy_optimizer.tasks.trial_cache.hit_count import HitCount

MEMORY_BYTES = 2**28


class MemoryCache:
    """Finished trials by key, while the task runs.

    Keeps completed trials and those whose function raised: it would raise again. A trial that ran into a limit or died
    with its process is not kept; the next time it may do better.

    Parameters
    ----------
    max_bytes : int
        Estimated bytes; those used longest ago make room. Default: 256 MB.

    Attributes
    ----------
    count : HitCount

    Examples
    --------
    >>> cache = MemoryCache()
    >>> cache.put(b"key", CachedTrial({"sharpe_ratio": 1.5}, seconds=0.2))
    True
    >>> cache.get(b"key").metrics["sharpe_ratio"], cache.get(b"other"), cache.hit_rate
    (1.5, None, 0.5)
    """

    def __init__(self, max_bytes: int = MEMORY_BYTES) -> None:
        if max_bytes <= 0:
            raise TaskError(f"the cache may have {max_bytes} bytes; expected a positive number")
        self.max_bytes = max_bytes
        self.count = HitCount()
        self.size = 0
        self._trials: OrderedDict[bytes, CachedTrial] = OrderedDict()
        self._lock = Lock()

    def get(self, key: bytes) -> CachedTrial | None:
        """Return the trial of this key; None when it is not known."""
        with self._lock:
            trial = self._trials.get(key)
            if trial is not None:
                self._trials.move_to_end(key)
            self.count.note(trial is not None)
            return trial

    def put(self, key: bytes, trial: CachedTrial) -> bool:
        """Keep a trial; return whether it was worth keeping. Of two with one key the first stays."""
        if trial.failure not in (None, "raised") or trial.size > self.max_bytes:
            return False
        with self._lock:
            if key not in self._trials:
                self._trials[key] = trial
                self.size += trial.size
                while self.size > self.max_bytes:
                    self.size -= self._trials.popitem(last=False)[1].size
        return True

    def clear(self) -> None:
        """Forget all trials."""
        with self._lock:
            self._trials.clear()
            self.size = 0

    @property
    def hit_rate(self) -> float:
        """Share of `get` that found its trial."""
        return self.count.rate

    def __len__(self) -> int:
        return len(self._trials)
