"""Objectives: from the metrics of a backtest to the score, or the several, that a search improves."""

from strategy_optimizer.objective.base import Objective, Scores
from strategy_optimizer.objective.objective_function import DEFAULT_WEIGHTS, ObjectiveFunction
from strategy_optimizer.objective.outcome import OutcomeConstraint
from strategy_optimizer.objective.pareto_objective import ParetoObjective
from strategy_optimizer.objective.parsing import DEFAULT_OBJECTIVE, ObjectiveLike, parse_objective

__all__ = [
    "DEFAULT_OBJECTIVE",
    "DEFAULT_WEIGHTS",
    "Objective",
    "ObjectiveFunction",
    "ObjectiveLike",
    "OutcomeConstraint",
    "ParetoObjective",
    "Scores",
    "parse_objective",
]
