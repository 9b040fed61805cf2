"""Executors: where trials run that are not the compiled kernel's.

The names are loaded when they are first used: a start of the program needs a few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategy_optimizer.lazy import lazy_names

_HOMES = {
    "base": (
        "Executor",
        "FailureKind",
        "Limits",
        "Outcome",
        "Usage",
    ),
    "processes": ("ProcessExecutor",),
    "ray_executor": ("RayExecutor",),
    "serial": ("SerialExecutor",),
}

if TYPE_CHECKING:
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

__getattr__ = lazy_names(__name__, _HOMES)
