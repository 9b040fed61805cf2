"""The JSON models of task files and results; the only layer that imports pydantic."""

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
