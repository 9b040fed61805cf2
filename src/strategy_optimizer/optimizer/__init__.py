"""Search algorithms behind one interface: ask for candidates, tell their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategy_optimizer.lazy import lazy_names

_HOMES = {
    "auto": ("AutoOptimizer",),
    "base": ("Optimizer",),
    "bo": ("BOOptimizer",),
    "ensemble": ("EnsembleOptimizer",),
    "factory": (
        "OPTIMIZERS",
        "create_optimizer",
        "restore_optimizer",
    ),
    "ga": ("GAOptimizer",),
    "grid": ("GridOptimizer",),
    "history": ("TrialLog",),
    "hybrid": ("HybridOptimizer",),
    "nsga2": ("NSGA2Optimizer",),
    "pareto.front": ("ParetoFront",),
    "random": ("RandomOptimizer",),
}

if TYPE_CHECKING:
    from strategy_optimizer.optimizer.auto import AutoOptimizer
    from strategy_optimizer.optimizer.base import Optimizer
    from strategy_optimizer.optimizer.bo import BOOptimizer
    from strategy_optimizer.optimizer.ensemble import EnsembleOptimizer
    from strategy_optimizer.optimizer.factory import OPTIMIZERS, create_optimizer, restore_optimizer
    from strategy_optimizer.optimizer.ga import GAOptimizer
    from strategy_optimizer.optimizer.grid import GridOptimizer
    from strategy_optimizer.optimizer.history import TrialLog
    from strategy_optimizer.optimizer.hybrid import HybridOptimizer
    from strategy_optimizer.optimizer.nsga2 import NSGA2Optimizer
    from strategy_optimizer.optimizer.pareto.front import ParetoFront
    from strategy_optimizer.optimizer.random import RandomOptimizer

__all__ = [
    "OPTIMIZERS",
    "AutoOptimizer",
    "BOOptimizer",
    "EnsembleOptimizer",
    "GAOptimizer",
    "GridOptimizer",
    "HybridOptimizer",
    "NSGA2Optimizer",
    "Optimizer",
    "ParetoFront",
    "RandomOptimizer",
    "TrialLog",
    "create_optimizer",
    "restore_optimizer",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
