"""Other backtest engines behind one interface; their packages are imported when a backtest runs."""

from strategy_optimizer.engines.backtesting_py import BacktestingEngine
from strategy_optimizer.engines.base import Engine, EngineRun
from strategy_optimizer.engines.callable_engine import CallableEngine
from strategy_optimizer.engines.http_engine import HttpEngine
from strategy_optimizer.engines.vectorbt import VectorbtEngine

__all__ = ["BacktestingEngine", "CallableEngine", "Engine", "EngineRun", "HttpEngine", "VectorbtEngine"]
