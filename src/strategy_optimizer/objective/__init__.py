"""Objectives: from the metrics of a backtest to the score that a search makes larger."""

from strategy_optimizer.objective.objective_function import DEFAULT_WEIGHTS, ObjectiveFunction, Scores
from strategy_optimizer.objective.outcome import OutcomeConstraint
from strategy_optimizer.objective.parsing import ObjectiveLike, parse_objective

__all__ = [
    "DEFAULT_WEIGHTS",
    "ObjectiveFunction",
    "ObjectiveLike",
    "OutcomeConstraint",
    "Scores",
    "parse_objective",
]
