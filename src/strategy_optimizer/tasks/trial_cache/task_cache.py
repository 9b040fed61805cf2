"""What a task asks: its own trials in memory first, then those of all tasks on disk."""

from __future__ import annotations

from strategy_optimizer.tasks.trial_cache.cached_trial import CachedTrial
from strategy_optimizer.tasks.trial_cache.hit_count import HitCount
from strategy_optimizer.tasks.trial_cache.memory_cache import MemoryCache
from strategy_optimizer.tasks.trial_cache.trial_cache import TrialCache


class TaskCache:
    """The cache of one task over the one on disk.

    Parameters
    ----------
    stored : TrialCache, optional
        Shared by tasks; None keeps nothing beyond this one.
    memory : MemoryCache, optional
        A new one by default.

    Attributes
    ----------
    count : HitCount
        A trial that either of the two knew is a hit.
    """

    def __init__(self, stored: TrialCache | None = None, memory: MemoryCache | None = None) -> None:
        self.memory = MemoryCache() if memory is None else memory
        self.stored = stored
        self.count = HitCount()

    def get(self, key: bytes) -> CachedTrial | None:
        """Return the trial of this key; None when neither knows it."""
        trial = self.memory.get(key)
        if trial is None and self.stored is not None:
            trial = self.stored.get(key)
            if trial is not None:
                self.memory.put(key, trial)
        self.count.note(trial is not None)
        return trial

    def put(self, key: bytes, trial: CachedTrial) -> None:
        """Keep a trial wherever it is worth it."""
        self.memory.put(key, trial)
        if self.stored is not None:
            self.stored.put(key, trial)

    @property
    def hit_rate(self) -> float:
        """Share of `get` that found its trial."""
        return self.count.rate

    def close(self) -> None:
        """Bring what is left to the disk."""
        if self.stored is not None:
            self.stored.close()
