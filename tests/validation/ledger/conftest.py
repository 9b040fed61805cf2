"""Searches that take milliseconds, and entries made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from strategy_optimizer.market import Bars
from strategy_optimizer.market.synthetic import RandomWalk, synthetic_market
from strategy_optimizer.tasks import FinishedSearch, make_task
from strategy_optimizer.validation.ledger import Entry, KeySet, Months, SharpeSpread, Sketch, Trials


@pytest.fixture(scope="session")
def market() -> Bars:
    """Return six years of daily bars."""
    return synthetic_market(1512, RandomWalk(), seed=3)


@pytest.fixture(scope="session")
def search_of() -> Callable[..., FinishedSearch]:
    """Return a function that searches bars and records nothing."""

    def search(bars: Bars, strategy: Any = "momentum", **settings: Any) -> FinishedSearch:
        task = make_task(strategy, bars, "random", **{"evaluations": 60, "seed": 1} | settings)
        task.run()
        assert task.search is not None
        return task.search

    return search


@pytest.fixture(scope="session")
def entry() -> Callable[..., Entry]:
    """Return a function that makes entries whose months and keys are given as numbers."""

    def make(
        task_id: str = "a",
        *,
        searched: range = range(240),
        held_out: range = range(0),
        keys: Any = (1, 2, 3),
        shown: Any = (),
        **changes: Any,
    ) -> Entry:
        keys = np.array(keys, np.uint64)
        trials = Trials(
            made=len(keys),
            distinct=len(keys),
            keys=KeySet.of(keys),
            spread=SharpeSpread(len(keys), 0.0, 1e-4 * len(keys), 1000),
            sketch=Sketch(np.arange(3, dtype=np.int32), np.ones((2, 3), np.float32)),
        )
        values: dict[str, Any] = {
            "task_id": task_id,
            "kind": "search",
            "recorded": "2026-01-02T03:04:05+00:00",
            "interrupted": False,
            "strategy": "momentum",
            "strategy_digest": "0" * 64,
            "data": "prices",
            "symbols": ("A", "B"),
            "first": "2000-01-03",
            "last": "2019-12-31",
            "trials": trials,
            "searched": months(searched),
            "held_out": months(held_out),
            "shown": np.array(shown, np.uint64),
        }
        return Entry(**values | changes)

    return make


def months(digests: range) -> Months:
    """Return months of 21 bars each whose digests are the given numbers."""
    numbers = np.array(digests, np.int32)
    return Months(numbers, np.array(digests, np.uint64) + np.uint64(1), np.full(len(digests), 21, np.int32))
