"""Whether a strategy and its result can be believed."""

from strategy_optimizer.validation.held_out import HeldOut
from strategy_optimizer.validation.lookahead import check_lookahead
from strategy_optimizer.validation.lookahead_report import Difference, Failure, LookaheadReport
from strategy_optimizer.validation.overfitting import Overfitting
from strategy_optimizer.validation.validate import Validation, run_and_validate, validate
from strategy_optimizer.validation.verdict import Verdict, judge
from strategy_optimizer.validation.walkforward import (
    WalkForward,
    WalkForwardMatrix,
    walk_forward,
    walk_forward_matrix,
)

__all__ = [
    "Difference",
    "Failure",
    "HeldOut",
    "LookaheadReport",
    "Overfitting",
    "Validation",
    "Verdict",
    "WalkForward",
    "WalkForwardMatrix",
    "check_lookahead",
    "judge",
    "run_and_validate",
    "validate",
    "walk_forward",
    "walk_forward_matrix",
]
