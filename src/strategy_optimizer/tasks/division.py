"""Divides the bars into those that are searched and those that are kept out."""

from __future__ import annotations

from strategy_optimizer.errors import DataError, TaskError
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
    DataError
        When a part would have fewer than two bars.
    """
    is_number = isinstance(holdout, (int, float)) and not isinstance(holdout, bool)
    if not is_number or not 0.0 <= holdout <= 0.9:
        raise TaskError(f"holdout is {holdout!r}; expected a fraction from 0 (none) to 0.9")
    n_out = round(bars.n_bars * holdout)
    split = bars.n_bars - n_out
    if split < 2 or (holdout > 0 and n_out < 2):
        raise DataError(
            f"{bars.name} has {bars.n_bars} bars; divided by holdout={holdout:g} that leaves {split} to "
            f"search and {n_out} held out; expected at least 2 in each part"
        )
    return (0, split), ((split, bars.n_bars) if n_out else None)
