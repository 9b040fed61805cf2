"""Tasks: the search loop, its budget, history and checkpoints, and the checked result."""

from strategy_optimizer.tasks.budget import Budget
from strategy_optimizer.tasks.checkpoint import Checkpoint
from strategy_optimizer.tasks.engine_preparation import engine_space, is_engine_like, make_engine_task
from strategy_optimizer.tasks.engine_result import EngineSearch
from strategy_optimizer.tasks.engine_task import EngineSettings, EngineTask
from strategy_optimizer.tasks.evaluator import Evaluator
from strategy_optimizer.tasks.executor_loop import ExecutorLoop, replay
from strategy_optimizer.tasks.export import export_trials, trial_frame, writer_of
from strategy_optimizer.tasks.history import TrialHistory
from strategy_optimizer.tasks.optimization_task import DEFAULT_EVALUATIONS, OptimizationTask, TaskSettings
from strategy_optimizer.tasks.preparation import DEFAULT_COSTS, make_task, search_space
from strategy_optimizer.tasks.result import (
    Convergence,
    Counts,
    DataInfo,
    EngineResult,
    FrontPoint,
    Performance,
    Result,
    SearchResult,
)
from strategy_optimizer.tasks.result_aggregator import FinishedSearch, buy_and_hold, performance_of
from strategy_optimizer.tasks.search_loop import SearchLoop
from strategy_optimizer.tasks.strategy_binding import bind_evaluator
from strategy_optimizer.tasks.trial_reading import history_of, read_history

__all__ = [
    "DEFAULT_COSTS",
    "DEFAULT_EVALUATIONS",
    "Budget",
    "Checkpoint",
    "Convergence",
    "Counts",
    "DataInfo",
    "EngineResult",
    "EngineSearch",
    "EngineSettings",
    "EngineTask",
    "Evaluator",
    "ExecutorLoop",
    "FinishedSearch",
    "FrontPoint",
    "OptimizationTask",
    "Performance",
    "Result",
    "SearchLoop",
    "SearchResult",
    "TaskSettings",
    "TrialHistory",
    "bind_evaluator",
    "buy_and_hold",
    "engine_space",
    "export_trials",
    "history_of",
    "is_engine_like",
    "make_engine_task",
    "make_task",
    "performance_of",
    "read_history",
    "replay",
    "search_space",
    "trial_frame",
    "writer_of",
]
