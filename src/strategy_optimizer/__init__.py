"""strategy-optimizer: finds the best parameters of trading strategies and says whether they can be believed.

The public names are loaded when they are first used, so that importing the package stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from strategy_optimizer.version import __version__ as __version__

_HOMES = {
    "strategy_optimizer.space": ("Categorical", "Continuous", "Discrete", "ParameterSpace"),
    "strategy_optimizer.market": ("Bars", "check_bars", "load_bars"),
    "strategy_optimizer.backtest": (
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
    "strategy_optimizer.strategies": ("get_strategy", "list_strategies"),
    "strategy_optimizer.optimizer": ("GAOptimizer", "create_optimizer", "restore_optimizer"),
    "strategy_optimizer.objective": ("ObjectiveFunction", "ParetoObjective"),
    "strategy_optimizer.tasks": ("Result",),
    "strategy_optimizer.validation": ("walk_forward", "walk_forward_matrix"),
    "strategy_optimizer.report": ("write_report",),
    "strategy_optimizer.one_call": ("optimize",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

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
    from strategy_optimizer.market import Bars, check_bars, load_bars
    from strategy_optimizer.objective import ObjectiveFunction, ParetoObjective
    from strategy_optimizer.one_call import optimize
    from strategy_optimizer.optimizer import GAOptimizer, create_optimizer, restore_optimizer
    from strategy_optimizer.report import write_report
    from strategy_optimizer.space import Categorical, Continuous, Discrete, ParameterSpace
    from strategy_optimizer.strategies import get_strategy, list_strategies
    from strategy_optimizer.tasks import Result
    from strategy_optimizer.validation import walk_forward, walk_forward_matrix

__all__ = [
    "Bars",
    "Categorical",
    "CompiledStrategy",
    "Continuous",
    "Costs",
    "Discrete",
    "FixedNotional",
    "GAOptimizer",
    "ObjectiveFunction",
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


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'strategy_optimizer' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
