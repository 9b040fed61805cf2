from __future__ import annotations

import asyncio
import os
import sys
import threading
import types
from typing import Any

import pytest

from contracts.executor import PATIENCE
from strategy_optimizer.errors import ExecutorError, RunFailedError, UnsendableError
from strategy_optimizer.tasks import parallel_executor
from strategy_optimizer.tasks.executors import Limits, SerialExecutor
from strategy_optimizer.tasks.parallel_executor import ParallelExecutor


def test_results_stand_in_the_order_of_the_tasks() -> None:
    async def evaluate(task: dict[str, int]) -> int:
        await asyncio.sleep(0.02 if task["x"] % 3 == 0 else 0.0)
        return task["x"] ** 2

    tasks = ({"x": x} for x in range(30))
    assert ParallelExecutor(max_workers=3).execute_parallel(tasks, evaluate) == [x**2 for x in range(30)]


def test_a_failed_task_has_its_error_in_its_place() -> None:
    def evaluate(task: int) -> int:
        if task == 1:
            raise ValueError("no")
        if task == 2:
            os._exit(4)
        if task == 3:
            while True:
                pass
        return task

    first, second, third, fourth, fifth = ParallelExecutor(2, limits=Limits(seconds=1.0)).execute_parallel(
        range(5), evaluate
    )
    assert (first, fifth) == (0, 4)
    assert isinstance(second, RunFailedError)
    assert str(second) == "raised: ValueError: no"
    assert 'raise ValueError("no")' in second.details
    assert (third.failure, fourth.failure) == ("crashed", "time_limit")


def test_no_tasks_no_results() -> None:
    assert ParallelExecutor().execute_parallel([], lambda task: task) == []


def test_a_function_that_cannot_be_sent_is_refused() -> None:
    lock = threading.Lock()
    with pytest.raises(
        UnsendableError, match=r"'lock' is a _thread\.lock, which exists in this process only"
    ):
        ParallelExecutor().execute_parallel([1], lambda task: lock)


def test_ray_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_executor, "find_spec", lambda name: None)
    with pytest.raises(ExecutorError, match=r"pip install 'strategy-optimizer\[ray\]'"):
        ParallelExecutor(use_ray=True)


def test_ray_gets_function_workers_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor on Ray has its own tests; here only what it is given."""
    given: dict[str, Any] = {}

    class RayExecutor(SerialExecutor):
        def __init__(self, function: Any, **settings: Any) -> None:
            super().__init__(function)
            given.update(settings)

    module = types.ModuleType("strategy_optimizer.tasks.executors.ray_executor")
    vars(module)["RayExecutor"] = RayExecutor
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(parallel_executor, "find_spec", lambda name: object())
    limits = Limits(seconds=PATIENCE)
    assert ParallelExecutor(7, use_ray=True, limits=limits).execute_parallel([1, 2], lambda x: x * 2) == [
        2,
        4,
    ]
    assert given == {"workers": 7, "limits": limits}
