"""Backtests: strategies, costs, the compiled kernel and the slow reference simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategy_optimizer.lazy import lazy_names

_HOMES = {
    "costs": ("Costs",),
    "evaluate": (
        "PopulationEvaluator",
        "evaluate_population",
    ),
    "metrics": (
        "METRIC_DEFINITIONS",
        "METRICS",
    ),
    "plan": ("Rules",),
    "result": (
        "BacktestResult",
        "MetricsTable",
        "Trade",
    ),
    "signals": (
        "FixedNotional",
        "Signals",
        "VolatilityTarget",
    ),
    "simulate": (
        "run_backtest",
        "simulate_signals",
    ),
    "strategy": (
        "CompiledStrategy",
        "Parameters",
        "Strategy",
    ),
}

if TYPE_CHECKING:
    from strategy_optimizer.backtest.costs import Costs
    from strategy_optimizer.backtest.evaluate import PopulationEvaluator, evaluate_population
    from strategy_optimizer.backtest.metrics import METRIC_DEFINITIONS, METRICS
    from strategy_optimizer.backtest.plan import Rules
    from strategy_optimizer.backtest.result import BacktestResult, MetricsTable, Trade
    from strategy_optimizer.backtest.signals import FixedNotional, Signals, VolatilityTarget
    from strategy_optimizer.backtest.simulate import run_backtest, simulate_signals
    from strategy_optimizer.backtest.strategy import CompiledStrategy, Parameters, Strategy

__all__ = [
    "METRICS",
    "METRIC_DEFINITIONS",
    "BacktestResult",
    "CompiledStrategy",
    "Costs",
    "FixedNotional",
    "MetricsTable",
    "Parameters",
    "PopulationEvaluator",
    "Rules",
    "Signals",
    "Strategy",
    "Trade",
    "VolatilityTarget",
    "evaluate_population",
    "run_backtest",
    "simulate_signals",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
