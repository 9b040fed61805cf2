"""The cache of one task: bounded, and right about failures."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks.trial_cache import CachedTrial, MemoryCache, TaskCache, TrialCache

DONE = CachedTrial({"score": 1.0}, 0.5)


def test_it_counts_what_it_knew() -> None:
    cache = MemoryCache()
    assert cache.hit_rate == 0
    cache.put(b"a", DONE)
    assert cache.get(b"a") is DONE
    assert [cache.get(b"b"), cache.get(b"c")] == [None, None]
    assert (cache.count.hits, cache.count.misses, len(cache)) == (1, 2, 1)
    assert cache.hit_rate == pytest.approx(1 / 3)
    cache.clear()
    assert (len(cache), cache.size, cache.get(b"a")) == (0, 0, None)


def test_the_one_used_longest_ago_makes_room() -> None:
    cache = MemoryCache(max_bytes=3 * DONE.size)
    for name in (b"a", b"b", b"c"):
        cache.put(name, DONE)
    cache.get(b"a")
    cache.put(b"d", DONE)
    assert [cache.get(name) is not None for name in (b"a", b"b", b"c", b"d")] == [True, False, True, True]
    assert cache.size == 3 * DONE.size


def test_a_trial_that_is_too_large_is_not_kept() -> None:
    cache = MemoryCache(max_bytes=10_000)
    assert not cache.put(b"a", CachedTrial({}, 1.0, {"returns": np.zeros(10_000)}))
    assert len(cache) == 0


@pytest.mark.parametrize(
    ("failure", "kept"),
    [
        ("raised", True),
        ("time_limit", False),
        ("memory_limit", False),
        ("process_limit", False),
        ("output_limit", False),
        ("crashed", False),
        ("unreadable", False),
    ],
)
def test_only_a_failure_that_would_come_again_is_kept_and_only_in_memory(
    failure, kept: bool, tmp_path: Path
) -> None:
    failed = CachedTrial({}, 9.0, failure=failure, message="ValueError: days")
    with TrialCache(tmp_path / "trials.sqlite") as stored:
        cache = TaskCache(stored)
        cache.put(b"k" * 32, failed)
        assert (cache.get(b"k" * 32) is not None) == kept
        assert len(stored) == 0


def test_of_two_trials_with_one_key_the_first_stays() -> None:
    cache = MemoryCache()
    cache.put(b"a", DONE)
    cache.put(b"a", CachedTrial({"score": 2.0}, 0.5))
    assert cache.get(b"a") is DONE
    assert cache.size == DONE.size


def test_threads_may_share_it() -> None:
    cache = MemoryCache(max_bytes=20 * DONE.size)

    def work(seed: int) -> None:
        for k in np.random.default_rng(seed).integers(0, 60, 2000).tolist():
            if cache.get(bytes([k])) is None:
                cache.put(bytes([k]), DONE)

    threads = [Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.size == len(cache) * DONE.size <= 20 * DONE.size
    assert cache.count.hits + cache.count.misses == 8000


def test_a_task_finds_what_another_task_stored(tmp_path: Path) -> None:
    key = b"k" * 32
    with TrialCache(tmp_path / "trials.sqlite") as stored:
        TaskCache(stored).put(key, DONE)
        later = TaskCache(stored)
        assert later.get(b"x" * 32) is None
        assert later.get(key).metrics == DONE.metrics  # type: ignore[union-attr]
        assert later.get(key).metrics == DONE.metrics  # type: ignore[union-attr]
        assert (later.count.hits, later.count.misses) == (2, 1)
        assert stored.count.hits == 1  # the second time it was in memory
        assert later.hit_rate == pytest.approx(2 / 3)
        later.close()


def test_a_task_without_a_file_keeps_its_own(tmp_path: Path) -> None:
    cache = TaskCache()
    cache.put(b"a", CachedTrial({"score": 1.0}, 1e-6))
    assert cache.get(b"a") is not None
    cache.close()


def test_a_limit_that_is_none_is_refused() -> None:
    with pytest.raises(TaskError, match="positive"):
        MemoryCache(0)
