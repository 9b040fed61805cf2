"""Whether a strategy and its result can be believed."""

from strategy_optimizer.validation.lookahead import check_lookahead
from strategy_optimizer.validation.lookahead_report import Difference, Failure, LookaheadReport

__all__ = ["Difference", "Failure", "LookaheadReport", "check_lookahead"]
