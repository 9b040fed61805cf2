"""Which bars train and which test: walk-forward, purged K-fold and combinatorial purged cross-validation."""

from strategy_optimizer.splits.combinatorial import CombinatorialSplits, combinatorial_purged, purged_k_fold
from strategy_optimizer.splits.purging import Split
from strategy_optimizer.splits.walk_forward import Window, walk_forward

__all__ = [
    "CombinatorialSplits",
    "Split",
    "Window",
    "combinatorial_purged",
    "purged_k_fold",
    "walk_forward",
]
