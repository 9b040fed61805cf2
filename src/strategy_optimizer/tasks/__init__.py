"""Tasks: the search loops, their budget, history and checkpoints, executors, and the checked result.

The names are loaded when they are first used: a start of the program needs a few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategy_optimizer.lazy import lazy_names

_HOMES = {
    "budget": ("DEFAULT_EVALUATIONS", "Budget"),
    "checkpoint": ("Checkpoint", "SearchCheckpoint"),
    "engine_preparation": (
        "engine_space",
        "is_engine_like",
        "make_engine_task",
    ),
    "engine_result": ("EngineSearch",),
    "engine_task": (
        "EngineSettings",
        "EngineTask",
    ),
    "evaluator": ("Evaluator",),
    "executor_loop": (
        "ExecutorLoop",
        "replay",
    ),
    "executors": ("Limits",),
    "export": (
        "export_trials",
        "trial_frame",
        "writer_of",
    ),
    "folded_loop": ("FoldedLoop",),
    "history": ("TrialHistory",),
    "optimization_task": (
        "OptimizationTask",
        "TaskSettings",
    ),
    "parallel_executor": ("ParallelExecutor",),
    "preparation": (
        "DEFAULT_COSTS",
        "make_task",
        "search_space",
    ),
    "result": (
        "Convergence",
        "Counts",
        "DataInfo",
        "EngineResult",
        "FrontPoint",
        "Performance",
        "Result",
        "SearchResult",
    ),
    "result_aggregator": (
        "FinishedSearch",
        "buy_and_hold",
        "performance_of",
    ),
    "search_loop": ("SearchLoop",),
    "strategy_binding": ("bind_evaluator",),
    "trial_reading": (
        "history_of",
        "read_history",
    ),
}

if TYPE_CHECKING:
    from strategy_optimizer.tasks.budget import DEFAULT_EVALUATIONS, Budget
    from strategy_optimizer.tasks.checkpoint import Checkpoint, SearchCheckpoint
    from strategy_optimizer.tasks.engine_preparation import engine_space, is_engine_like, make_engine_task
    from strategy_optimizer.tasks.engine_result import EngineSearch
    from strategy_optimizer.tasks.engine_task import EngineSettings, EngineTask
    from strategy_optimizer.tasks.evaluator import Evaluator
    from strategy_optimizer.tasks.executor_loop import ExecutorLoop, replay
    from strategy_optimizer.tasks.executors import Limits
    from strategy_optimizer.tasks.export import export_trials, trial_frame, writer_of
    from strategy_optimizer.tasks.folded_loop import FoldedLoop
    from strategy_optimizer.tasks.history import TrialHistory
    from strategy_optimizer.tasks.optimization_task import OptimizationTask, TaskSettings
    from strategy_optimizer.tasks.parallel_executor import ParallelExecutor
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
    "FoldedLoop",
    "FrontPoint",
    "Limits",
    "OptimizationTask",
    "ParallelExecutor",
    "Performance",
    "Result",
    "SearchCheckpoint",
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

__getattr__ = lazy_names(__name__, _HOMES)
