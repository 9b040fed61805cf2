from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contracts.executor import ExecutorContract
from strategy_optimizer.tasks.executors import Executor, ProcessExecutor


class TestProcessExecutor(ExecutorContract):
    def create(self, function: Callable[[Any], Any]) -> Executor:
        return ProcessExecutor(function, workers=2)
