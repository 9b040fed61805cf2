"""What a walk-forward matrix says about how often to optimise again, in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from strategy_optimizer.market.report import counted
from strategy_optimizer.validation.statistics import NotEnough
from strategy_optimizer.validation.walkforward.notes import CONFIDENCE
from strategy_optimizer.validation.walkforward.result import WalkForward

Cell = tuple[str, str, WalkForward]
"""What its training and test length are called, and what came of it."""


def recommend(
    cells: Sequence[Cell], best: int | None, deflated: float | NotEnough
) -> tuple[str, tuple[str, ...]]:
    """Return the recommendation and its caveats.

    Parameters
    ----------
    cells : sequence of (str, str, WalkForward)
    best : int or None
        The cell with the highest Sharpe ratio.
    deflated : float or NotEnough
        Its PSR against the expected maximum of the cells.
    """
    among = counted(len(cells), "combination")
    if best is None:
        return f"No advice: none of {among} has a Sharpe ratio out of sample.", ()
    train, test, result = cells[best]
    sharpe = result.out_of_sample.metrics["sharpe_ratio"]
    past = "all earlier bars" if result.lengths.anchored else f"the last {train}"
    if not sharpe > 0.0:
        return (
            f"Do not re-optimise this way: none of {among} made money out of sample (the best Sharpe ratio is "
            f"{sharpe:.2f}, every {test} on {past}).",
            (),
        )
    defaults = math.nan if result.defaults is None else result.defaults.metrics["sharpe_ratio"]
    if defaults >= sharpe:
        advice = (
            f"Keep the default parameters: over the same bars they had a Sharpe ratio of {defaults:.2f} out of sample, "
            f"the best of {among}, every {test} on {past}, {sharpe:.2f}."
        )
    else:
        advice = (
            f"Re-optimise every {test} on {past}: of {among} it has the highest Sharpe ratio out of sample, "
            f"{sharpe:.2f}."
        )
    return advice, tuple(_caveats(result, len(cells), deflated))


def _caveats(result: WalkForward, n_cells: int, deflated: float | NotEnough) -> Iterator[str]:
    if n_cells > 1:
        yield _of_choosing(n_cells, deflated, result.out_of_sample.psr_h0)
    held = result.buy_and_hold.metrics["sharpe_ratio"]
    if held >= result.out_of_sample.metrics["sharpe_ratio"]:
        yield f"over the same bars buy-and-hold had a Sharpe ratio of {held:.2f}"


def _of_choosing(n: int, deflated: float | NotEnough, psr: float | NotEnough) -> str:
    """Return what is left of the best cell once it is counted that it was chosen."""
    if isinstance(deflated, NotEnough):
        return f"the best of {n} was chosen, and what that is worth cannot be said: {deflated}"
    alone = "" if isinstance(psr, NotEnough) else f" (alone {psr:.2f})"
    so = "more than choosing explains" if deflated >= CONFIDENCE else "choosing may explain it"
    return f"of {n} it is the best: against the best expected of {n} without skill PSR is {deflated:.2f}{alone}, {so}"
