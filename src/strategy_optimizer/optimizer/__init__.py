"""Search algorithms behind one interface: ask for candidates, tell their scores."""

from strategy_optimizer.optimizer.base import Optimizer
from strategy_optimizer.optimizer.factory import OPTIMIZERS, create_optimizer, restore_optimizer
from strategy_optimizer.optimizer.ga import GAOptimizer
from strategy_optimizer.optimizer.grid import GridOptimizer
from strategy_optimizer.optimizer.history import TrialLog
from strategy_optimizer.optimizer.random import RandomOptimizer

__all__ = [
    "OPTIMIZERS",
    "GAOptimizer",
    "GridOptimizer",
    "Optimizer",
    "RandomOptimizer",
    "TrialLog",
    "create_optimizer",
    "restore_optimizer",
]
