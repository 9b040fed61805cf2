"""Market data: bars, where they come from, what is wrong with them, and synthetic markets."""

from strategy_optimizer.market.bars import Bars
from strategy_optimizer.market.loading import check_bars, load_bars
from strategy_optimizer.market.repairs import REPAIRS
from strategy_optimizer.market.report import DataReport, Problem
from strategy_optimizer.market.samples import SAMPLES
from strategy_optimizer.market.synthetic import Garch, RandomWalk, Regimes, measure_edge, synthetic_market

__all__ = [
    "REPAIRS",
    "SAMPLES",
    "Bars",
    "DataReport",
    "Garch",
    "Problem",
    "RandomWalk",
    "Regimes",
    "check_bars",
    "load_bars",
    "measure_edge",
    "synthetic_market",
]
