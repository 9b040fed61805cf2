"""Other backtest engines behind one interface; their packages are imported when a backtest runs.

The names are loaded when they are first used: a start of the program needs a few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategy_optimizer.lazy import lazy_names

_HOMES = {
    "backtesting_py": ("BacktestingEngine",),
    "base": (
        "Engine",
        "EngineRun",
    ),
    "callable_engine": ("CallableEngine",),
    "folded": ("FoldedEngine",),
    "freqtrade": ("FreqtradeEngine",),
    "freqtrade_files": ("write_candles",),
    "http_engine": ("HttpEngine",),
    "nautilus": (
        "NautilusEngine",
        "NautilusStrategy",
    ),
    "nautilus_node": ("NautilusNodeEngine",),
    "vectorbt": ("VectorbtEngine",),
}

if TYPE_CHECKING:
    from strategy_optimizer.engines.backtesting_py import BacktestingEngine
    from strategy_optimizer.engines.base import Engine, EngineRun
    from strategy_optimizer.engines.callable_engine import CallableEngine
    from strategy_optimizer.engines.folded import FoldedEngine
    from strategy_optimizer.engines.freqtrade import FreqtradeEngine
    from strategy_optimizer.engines.freqtrade_files import write_candles
    from strategy_optimizer.engines.http_engine import HttpEngine
    from strategy_optimizer.engines.nautilus import NautilusEngine, NautilusStrategy
    from strategy_optimizer.engines.nautilus_node import NautilusNodeEngine
    from strategy_optimizer.engines.vectorbt import VectorbtEngine

__all__ = [
    "BacktestingEngine",
    "CallableEngine",
    "Engine",
    "EngineRun",
    "FoldedEngine",
    "FreqtradeEngine",
    "HttpEngine",
    "NautilusEngine",
    "NautilusNodeEngine",
    "NautilusStrategy",
    "VectorbtEngine",
    "write_candles",
]

__getattr__ = lazy_names(__name__, _HOMES)
