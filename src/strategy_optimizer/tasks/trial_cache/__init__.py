"""Finished trials by what their numbers depend on: nothing is computed twice, and nothing stale is believed."""

from strategy_optimizer.tasks.trial_cache.cached_trial import CachedTrial
from strategy_optimizer.tasks.trial_cache.hit_count import HitCount
from strategy_optimizer.tasks.trial_cache.memory_cache import MemoryCache
from strategy_optimizer.tasks.trial_cache.task_cache import TaskCache
from strategy_optimizer.tasks.trial_cache.trial_cache import (
    MAX_BYTES,
    MIN_SECONDS,
    CacheStatus,
    TrialCache,
    default_path,
)
from strategy_optimizer.tasks.trial_cache.trial_keys import TrialKeys

__all__ = [
    "MAX_BYTES",
    "MIN_SECONDS",
    "CacheStatus",
    "CachedTrial",
    "HitCount",
    "MemoryCache",
    "TaskCache",
    "TrialCache",
    "TrialKeys",
    "default_path",
]
