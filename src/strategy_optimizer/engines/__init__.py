"""Other backtest engines behind one interface."""

from strategy_optimizer.engines.base import Engine, EngineRun

__all__ = ["Engine", "EngineRun"]
