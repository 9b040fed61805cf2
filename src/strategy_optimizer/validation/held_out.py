"""Parameters on the bars that the search never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

from strategy_optimizer.backtest import run_backtest
from strategy_optimizer.tasks import FinishedSearch
from strategy_optimizer.validation.statistics import (
    NotEnough,
    SharpeMoments,
    minimum_track_record_2012,
    psr_2012,
    psr_h0,
    sharpe_moments,
    where_known,
)
from strategy_optimizer.validation.track_record import bar_returns, periods_per_year


@dataclass(frozen=True)
class HeldOut:
    """What the held-out bars say of the recommended parameters.

    Attributes
    ----------
    n_bars : int
    trades : float
        NaN where an engine does not say.
    moments : SharpeMoments
        Of its returns per bar.
    annual_sharpe : float
        0 where it made no trade; of another engine what it calls ``sharpe_ratio``, NaN without.
    psr, psr_h0 : float
        Probability that its true Sharpe ratio is above 0, in the conventions of 2012 and 2025.
    minimum_track_record : float
        Observations for a PSR of 95 %.
    looks : int
        Different parameters that were ever judged by these bars, these included, as far as the ledger knows.
    """

    n_bars: int
    trades: float
    moments: SharpeMoments | NotEnough
    annual_sharpe: float
    psr: float | NotEnough
    psr_h0: float | NotEnough
    minimum_track_record: float | NotEnough
    looks: int = 1

    @property
    def psr_after_looks(self) -> float | NotEnough:
        """The PSR as the best of so many looks, were they independent: Sidak's correction of its p-value."""
        return self.psr if isinstance(self.psr, NotEnough) else self.psr**self.looks

    @property
    def sharpe(self) -> float:
        """Per bar; 0 where it made no trade."""
        return 0.0 if isinstance(self.moments, NotEnough) else self.moments.sharpe


def examine_held_out(search: FinishedSearch, params: Mapping[str, Any], *, looks: int = 1) -> HeldOut | None:
    """Return the record of parameters on the held-out bars, as the `looks`-th look at these; None without such bars."""
    if search.held_out is None:
        return None
    rules = replace(search.rules, window=search.held_out)
    result = run_backtest(search.bound_strategy, params, search.bars, rules)
    moments = sharpe_moments(bar_returns(result.equity))
    year = sqrt(periods_per_year(search))
    annual = 0.0 if isinstance(moments, NotEnough) else moments.sharpe * year
    n_bars = search.held_out[1] - search.held_out[0]
    return held_out_record(moments, n_bars, result.metrics["trades"], annual, looks)


def held_out_record(
    moments: SharpeMoments | NotEnough, n_bars: int, trades: float, annual_sharpe: float, looks: int
) -> HeldOut:
    """Return the record whose returns have these moments."""
    return HeldOut(
        n_bars=n_bars,
        trades=trades,
        moments=moments,
        annual_sharpe=annual_sharpe,
        psr=where_known(psr_2012, moments),
        psr_h0=where_known(psr_h0, moments),
        minimum_track_record=where_known(minimum_track_record_2012, moments),
        looks=looks,
    )
