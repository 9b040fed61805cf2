from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contracts.executor import ExecutorContract
from strategy_optimizer.tasks.executors import Executor, SerialExecutor


class TestSerialExecutor(ExecutorContract):
    def create(self, function: Callable[[Any], Any]) -> Executor:
        return SerialExecutor(function)
