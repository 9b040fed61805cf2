"""Divides the bars into those that are searched and those that are kept out."""

from __future__ import annotations

from strategy_optimizer.engines.division import bars_searched
from strategy_optimizer.errors import EngineError, TaskError
from strategy_optimizer.market import Bars

Window = tuple[int, int]


def divide(bars: Bars, holdout: float) -> tuple[Window, Window | None]:
    """Return the in-sample and the held-out window as bar indices; the held-out bars are the last ones.

    Parameters
    ----------
    bars : Bars
    holdout : float
        Share of the bars to keep out, 0 to 0.9; with 0 the second window is None.

    Raises
    ------
    TaskError
        When `holdout` is no such share.
    DataError
        When a part would have fewer than two bars.
    """
    try:
        split = bars_searched(bars.n_bars, holdout, bars.name)
    except EngineError as error:
        raise TaskError(str(error)) from None
    return (0, split), ((split, bars.n_bars) if split < bars.n_bars else None)
