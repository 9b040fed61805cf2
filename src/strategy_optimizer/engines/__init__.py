"""Other backtest engines behind one interface; their packages are imported when a backtest runs."""

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
