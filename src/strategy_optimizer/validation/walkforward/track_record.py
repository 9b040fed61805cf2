"""One account through all test windows: the windows' backtests put end to end, and what the statistics say of it.

Notation: the stitched bars are t = 1 .. T, e_t is the stitched equity at their closes, e_0 the starting cash.
Window k contributes the growth of its own account, so e at its end is the product of all growths so far.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest import METRICS, BacktestResult, Rules, simulate_signals
from strategy_optimizer.backtest.metrics import equity_metrics, ratio
from strategy_optimizer.backtest.plan import account_values
from strategy_optimizer.market import Bars
from strategy_optimizer.plain import as_plain
from strategy_optimizer.validation.statistics import (
    NotEnough,
    SharpeMoments,
    psr_2012,
    psr_h0,
    sharpe_moments,
    where_known,
)
from strategy_optimizer.validation.track_record import bar_returns

FloatArray = NDArray[np.float64]
Backtest: TypeAlias = Callable[[Bars, Rules], BacktestResult]
"""Runs one account over the window of the rules."""


@dataclass(frozen=True)
class TrackRecord:
    """What one account did on the stitched bars.

    Attributes
    ----------
    equity : array, shape (T,)
        In cash, marked at each close.
    returns : array, shape (T,)
        ``e_t / e_(t-1) - 1``, fractions; 0 after a bankruptcy. Their compound is the total return.
    metrics : dict
        The keys of `METRICS`, as if the stitched bars were one backtest.
    moments : SharpeMoments or NotEnough
        Of the returns from the second on: as in every backtest the step from cash to the first close is no part
        of the Sharpe ratio.
    """

    equity: FloatArray = field(repr=False)
    returns: FloatArray = field(repr=False)
    metrics: dict[str, float]
    moments: SharpeMoments | NotEnough

    @property
    def psr_h0(self) -> float | NotEnough:
        """Probabilistic Sharpe ratio against 0, in the `h0` convention."""
        return where_known(psr_h0, self.moments)

    @property
    def psr_2012(self) -> float | NotEnough:
        """Probabilistic Sharpe ratio against 0, in the `2012` convention."""
        return where_known(psr_2012, self.moments)

    @property
    def t_statistic(self) -> float | NotEnough:
        """Of the mean return: Sharpe ratio per bar times the root of the bars."""
        return where_known(lambda m: m.sharpe * math.sqrt(m.n_obs), self.moments)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: the metrics, and what the statistics say of them."""
        statistics = {name: getattr(self, name) for name in ("psr_h0", "psr_2012", "t_statistic")}
        return {name: as_plain(value) for name, value in ({"metrics": self.metrics} | statistics).items()}


def flat(bars: Bars, rules: Rules) -> BacktestResult:
    """Return the backtest of holding cash."""
    never = np.zeros(bars.close.shape, np.bool_)
    return simulate_signals(
        bars,
        never,
        never,
        cash=rules.cash,
        window=rules.window,
        n_blocks=rules.n_blocks,
        periods_per_year=rules.periods_per_year,
    )


def run_part(backtest: Backtest, bars: Bars, rules: Rules, part: range) -> BacktestResult:
    """Run an account on the bars of `part`, flat at its beginning; no bar after it is there to be seen.

    Indicators are warmed up on all bars before, which are not traded.
    """
    return backtest(bars.slice(0, part.stop), replace(rules, window=(part.start, part.stop)))


def record_of(backtest: Backtest, parts: Sequence[range], bars: Bars, rules: Rules) -> TrackRecord:
    """Return the track record of an account that starts flat in each part."""
    return stitch([run_part(backtest, bars, rules, part) for part in parts], parts, bars, rules)


def adjoining(parts: Sequence[range]) -> list[range]:
    """Return the parts with those that follow one another joined, for an account that goes on through them.

    >>> adjoining([range(4, 6), range(6, 8), range(10, 12)])
    [range(4, 8), range(10, 12)]
    """
    joined: list[range] = []
    for part in parts:
        if joined and joined[-1].stop == part.start:
            joined[-1] = range(joined[-1].start, part.stop)
        else:
            joined.append(part)
    return joined


def stitch(runs: Sequence[BacktestResult], parts: Sequence[range], bars: Bars, rules: Rules) -> TrackRecord:
    """Return the track record that backtests of consecutive parts make up, each with the cash of the rules.

    Parameters
    ----------
    runs : sequence of BacktestResult
        One for each part.
    parts : sequence of range
        Their bars, in order; there may be gaps, which are left out.
    bars : Bars
    rules : Rules
        Their cash, and periods a year where these are given.

    Notes
    -----
    A position that is open at the end of a part is marked at its last close; nothing is charged for closing it.
    """
    bases = _bases(runs, rules.cash)
    equity = np.concatenate(
        [
            base * run.equity / rules.cash if base > 0.0 else np.full(len(run.equity), base)
            for base, run in zip(bases, runs, strict=True)
        ]
    )
    returns = bar_returns(np.concatenate([[rules.cash], equity]))
    periods = account_values(_over(parts, rules), bars, False).periods_per_year
    years = (len(equity) - 1) / periods
    metrics = equity_metrics(equity.tolist(), rules.cash, years, periods)
    metrics |= _trade_metrics(runs, parts, [base / rules.cash for base in bases], bars, rules, years)
    return TrackRecord(
        equity, returns, {name: metrics[name] for name in METRICS}, sharpe_moments(returns[1:])
    )


def _over(parts: Sequence[range], rules: Rules) -> Rules:
    return replace(rules, window=(parts[0].start, parts[-1].stop))


def _bases(runs: Sequence[BacktestResult], cash: float) -> list[float]:
    """Return the cash with which each part begins; an account that is lost stays lost."""
    bases = [cash]
    for run in runs[:-1]:
        bases.append(bases[-1] * float(run.equity[-1]) / cash if bases[-1] > 0.0 else bases[-1])
    return bases


def _trade_metrics(
    runs: Sequence[BacktestResult],
    parts: Sequence[range],
    growths: Sequence[float],
    bars: Bars,
    rules: Rules,
    years: float,
) -> dict[str, float]:
    """Return the metrics that trades determine; amounts of cash grow with the stitched account."""
    closed = [
        (trade, growth)
        for run, growth in zip(runs, growths, strict=True)
        for trade in run.trades
        if trade.exit_bar is not None
    ]
    wins = [trade.pnl * growth for trade, growth in closed if trade.pnl > 0]
    losses = [-trade.pnl * growth for trade, growth in closed if not trade.pnl > 0]
    gains = [trade.pnl / (trade.size * trade.entry_price) for trade, _ in closed]
    held = [run.metrics["exposure"] * len(part) for run, part in zip(runs, parts, strict=True)]
    return {
        "win_rate": ratio(len(wins), len(closed)),
        "profit_factor": ratio(math.fsum(wins), math.fsum(losses)),
        "expectancy": ratio(math.fsum(gains), len(closed)),
        "exposure": math.fsum(held) / sum(map(len, parts)),
        "turnover": ratio(math.fsum(_traded(runs, parts, bars, rules)), years),
        "trades": float(sum(run.metrics["trades"] for run in runs)),
        "costs_paid": math.fsum(
            run.metrics["costs_paid"] * growth for run, growth in zip(runs, growths, strict=True)
        ),
    }


def _traded(runs: Sequence[BacktestResult], parts: Sequence[range], bars: Bars, rules: Rules) -> list[float]:
    """Return the notional over equity that each part traded; one bar has no years to tell it by, and counts 0."""
    return [
        run.metrics["turnover"] * account_values(_over([part], rules), bars, False).years
        if len(part) > 1
        else 0.0
        for run, part in zip(runs, parts, strict=True)
    ]
