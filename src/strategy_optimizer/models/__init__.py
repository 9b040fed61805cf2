"""The JSON models of task files and results; the only layer that imports pydantic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategy_optimizer.lazy import lazy_names

_HOMES = {
    "reading": ("read_result",),
    "result": (
        "ResultModel",
        "TrialModel",
    ),
    "task": (
        "ObjectiveModel",
        "OptimizationConfigModel",
        "ParameterModel",
        "TaskModel",
    ),
    "walk_forward": (
        "WalkForwardMatrixModel",
        "WalkForwardModel",
    ),
}

if TYPE_CHECKING:
    from strategy_optimizer.models.reading import read_result
    from strategy_optimizer.models.result import ResultModel, TrialModel
    from strategy_optimizer.models.task import (
        ObjectiveModel,
        OptimizationConfigModel,
        ParameterModel,
        TaskModel,
    )
    from strategy_optimizer.models.walk_forward import WalkForwardMatrixModel, WalkForwardModel

__all__ = [
    "ObjectiveModel",
    "OptimizationConfigModel",
    "ParameterModel",
    "ResultModel",
    "TaskModel",
    "TrialModel",
    "WalkForwardMatrixModel",
    "WalkForwardModel",
    "read_result",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
