"""The built-in strategies, and how strategies of users are found."""

from strategy_optimizer.strategies.registry import get_strategy, list_strategies

__all__ = ["get_strategy", "list_strategies"]
