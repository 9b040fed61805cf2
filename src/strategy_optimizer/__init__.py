"""strategy-optimizer: finds the best parameters of trading strategies and says whether they can be believed.

The public names are loaded when they are first used, so that importing the package stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategy_optimizer.lazy import lazy_names
from strategy_optimizer.version import __version__ as __version__

_HOMES = {
    "space": ("Categorical", "Continuous", "Discrete", "ParameterSpace"),
    "market": ("Bars", "check_bars", "load_bars"),
    "backtest": (
        "CompiledStrategy",
        "Costs",
        "FixedNotional",
        "Rules",
        "Signals",
        "Strategy",
        "VolatilityTarget",
        "run_backtest",
        "evaluate_population",
        "simulate_signals",
    ),
    "strategies": ("get_strategy", "list_strategies"),
    "optimizer": ("BOOptimizer", "GAOptimizer", "create_optimizer", "restore_optimizer"),
    "objective": ("ObjectiveFunction", "ParetoObjective"),
    "engines": ("Engine", "EngineRun"),
    "tasks": ("EngineResult", "Limits", "ParallelExecutor", "Result"),
    "validation": ("walk_forward", "walk_forward_matrix"),
    "report": ("write_report",),
    "one_call": ("optimize",),
}

if TYPE_CHECKING:
    from strategy_optimizer.backtest import (
        CompiledStrategy,
        Costs,
        FixedNotional,
        Rules,
        Signals,
        Strategy,
        VolatilityTarget,
        evaluate_population,
        run_backtest,
        simulate_signals,
    )
    from strategy_optimizer.engines import Engine, EngineRun
    from strategy_optimizer.market import Bars, check_bars, load_bars
    from strategy_optimizer.objective import ObjectiveFunction, ParetoObjective
    from strategy_optimizer.one_call import optimize
    from strategy_optimizer.optimizer import BOOptimizer, GAOptimizer, create_optimizer, restore_optimizer
    from strategy_optimizer.report import write_report
    from strategy_optimizer.space import Categorical, Continuous, Discrete, ParameterSpace
    from strategy_optimizer.strategies import get_strategy, list_strategies
    from strategy_optimizer.tasks import EngineResult, Limits, ParallelExecutor, Result
    from strategy_optimizer.validation import walk_forward, walk_forward_matrix

__all__ = [
    "BOOptimizer",
    "Bars",
    "Categorical",
    "CompiledStrategy",
    "Continuous",
    "Costs",
    "Discrete",
    "Engine",
    "EngineResult",
    "EngineRun",
    "FixedNotional",
    "GAOptimizer",
    "Limits",
    "ObjectiveFunction",
    "ParallelExecutor",
    "ParameterSpace",
    "ParetoObjective",
    "Result",
    "Rules",
    "Signals",
    "Strategy",
    "VolatilityTarget",
    "check_bars",
    "create_optimizer",
    "evaluate_population",
    "get_strategy",
    "list_strategies",
    "load_bars",
    "optimize",
    "restore_optimizer",
    "run_backtest",
    "simulate_signals",
    "walk_forward",
    "walk_forward_matrix",
    "write_report",
]


__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
