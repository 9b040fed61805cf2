"""Whether a strategy and its result can be believed.

The names are loaded when they are first used: the statistics below need NumPy alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategy_optimizer.lazy import lazy_names

_HOMES = {
    "held_out": ("HeldOut",),
    "lookahead": ("check_lookahead",),
    "lookahead_report": ("Difference", "Failure", "LookaheadReport"),
    "overfitting": ("Overfitting",),
    "validate": ("Validation", "run_and_validate", "validate_engine_search", "validate_search"),
    "verdict": ("Verdict", "judge"),
    "walkforward": ("WalkForward", "WalkForwardMatrix", "walk_forward", "walk_forward_matrix"),
}

if TYPE_CHECKING:
    from strategy_optimizer.validation.held_out import HeldOut
    from strategy_optimizer.validation.lookahead import check_lookahead
    from strategy_optimizer.validation.lookahead_report import Difference, Failure, LookaheadReport
    from strategy_optimizer.validation.overfitting import Overfitting
    from strategy_optimizer.validation.validate import (
        Validation,
        run_and_validate,
        validate_engine_search,
        validate_search,
    )
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
    "validate_engine_search",
    "validate_search",
    "walk_forward",
    "walk_forward_matrix",
]


__getattr__ = lazy_names(__name__, _HOMES)
