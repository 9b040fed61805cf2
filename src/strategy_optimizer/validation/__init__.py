"""Whether a strategy and its result can be believed."""

from strategy_optimizer.validation.lookahead import check_lookahead
from strategy_optimizer.validation.lookahead_report import Difference, Failure, LookaheadReport
from strategy_optimizer.validation.walkforward import (
    WalkForward,
    WalkForwardMatrix,
    walk_forward,
    walk_forward_matrix,
)

__all__ = [
    "Difference",
    "Failure",
    "LookaheadReport",
    "WalkForward",
    "WalkForwardMatrix",
    "check_lookahead",
    "walk_forward",
    "walk_forward_matrix",
]
