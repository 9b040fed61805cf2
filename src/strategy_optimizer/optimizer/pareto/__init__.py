"""Pareto sets: sorting, crowding, hypervolume, choosing a point, reference directions."""

from strategy_optimizer.optimizer.pareto.archive import ParetoArchive
from strategy_optimizer.optimizer.pareto.choice import closest_to, knee_point
from strategy_optimizer.optimizer.pareto.crowding import crowding_distances, keep_spread
from strategy_optimizer.optimizer.pareto.hypervolume import hypervolume
from strategy_optimizer.optimizer.pareto.reference_directions import das_dennis, spread_directions
from strategy_optimizer.optimizer.pareto.sorting import is_non_dominated, non_dominated_ranks

__all__ = [
    "ParetoArchive",
    "closest_to",
    "crowding_distances",
    "das_dennis",
    "hypervolume",
    "is_non_dominated",
    "keep_spread",
    "knee_point",
    "non_dominated_ranks",
    "spread_directions",
]
