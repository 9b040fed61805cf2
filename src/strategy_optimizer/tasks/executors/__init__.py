"""Executors: where trials run that are not the compiled kernel's."""

from strategy_optimizer.tasks.executors.base import Executor, FailureKind, Limits, Outcome, Usage
from strategy_optimizer.tasks.executors.processes import ProcessExecutor
from strategy_optimizer.tasks.executors.ray_executor import RayExecutor
from strategy_optimizer.tasks.executors.serial import SerialExecutor

__all__ = [
    "Executor",
    "FailureKind",
    "Limits",
    "Outcome",
    "ProcessExecutor",
    "RayExecutor",
    "SerialExecutor",
    "Usage",
]
