"""Confidence bands of the headline metrics, from resampled bars and resampled trades.

References
----------
.. [1] Politis and Romano (1994). The stationary bootstrap. Journal of the American Statistical Association 89(428).
.. [2] Patton, Politis and White (2009). Correction to "Automatic block-length selection for the dependent bootstrap".
   Econometric Reviews 28(4).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strategy_optimizer.backtest import METRICS, Trade
from strategy_optimizer.validation.robustness.return_metrics import (
    RETURN_METRICS,
    TRADE_METRICS,
    return_metrics,
    trade_metrics,
)
from strategy_optimizer.validation.robustness.subject import Subject
from strategy_optimizer.validation.statistics.bootstrap import (
    LEAST_OBSERVATIONS,
    ConfidenceBand,
    bands_of_rows,
    mean_block_length,
)
from strategy_optimizer.validation.statistics.not_enough import (
    FloatArray,
    IntArray,
    NotEnough,
    lacking_returns,
)
from strategy_optimizer.validation.track_record import bar_returns

LEAST_TRADES = 20
BAND_METRICS = tuple(name for name in METRICS if name in (*RETURN_METRICS, *TRADE_METRICS))
_ROWS_AT_ONCE = 2**17  # elements that stay in the processor's second cache

Bands = dict[str, ConfidenceBand | NotEnough]


def metric_bands(
    subject: Subject,
    *,
    level: float = 0.9,
    replications: int = 1000,
    block_length: float | None = None,
    seed: int = 0,
) -> Bands:
    """Return a confidence band of each of the `BAND_METRICS` of a candidate.

    Parameters
    ----------
    subject : Subject
    level : float
        Share of the resampled values inside a band; 0.9 puts 5 % below and 5 % above it.
    replications : int
    block_length : float, optional
        Mean length of the blocks of returns, in bars; by default the automatic one [2]_.
    seed : int

    Returns
    -------
    dict
        What returns determine: the stationary bootstrap [1]_ of the returns of the bars. What trades determine
        (`TRADE_METRICS`): closed trades drawn one by one, as if they did not depend on each other. `NotEnough`
        for fewer than 20 returns or trades, constant returns, and a metric that some resampled returns do not have.
        A profit factor without a loss is infinite. `exposure`, `turnover`, `trades` and `costs_paid` are
        determined by neither and have no band.

    Notes
    -----
    A band of the maximum drawdown holds what other orders of the same blocks would have brought; the drawdown of
    the one history is often outside of its middle. Bands say nothing of a search: the best of many trials has
    a band that lies too high.

    Examples
    --------
    >>> from strategy_optimizer import get_strategy, load_bars
    >>> subject = Subject(get_strategy("momentum"), {}, load_bars("nasdaq"))
    >>> band = metric_bands(subject, replications=200)["sharpe_ratio"]
    >>> band.lower < band.estimate < band.upper
    True
    """
    by_returns = _bands_by_returns(subject, level, replications, block_length, seed)
    by_trades = _bands_by_trades(subject.result.trades, level, replications, seed)
    return {name: (by_returns | by_trades)[name] for name in BAND_METRICS}


def _bands_by_returns(
    subject: Subject, level: float, replications: int, block_length: float | None, seed: int
) -> Bands:
    equity, account = subject.result.equity, subject.account
    returns = bar_returns(equity)
    lacking = lacking_returns(returns, LEAST_OBSERVATIONS)
    if lacking:
        return dict.fromkeys(RETURN_METRICS, lacking)

    def measure(rows: FloatArray) -> dict[str, FloatArray]:
        return return_metrics(
            rows,
            years=account.years,
            periods_per_year=account.periods_per_year,
            first_equity=float(equity[0]) / account.cash,
        )

    def measure_indices(indices: IntArray) -> dict[str, FloatArray]:
        at_once = max(1, _ROWS_AT_ONCE // len(returns))
        parts = [measure(returns[indices[i : i + at_once]]) for i in range(0, len(indices), at_once)]
        return {name: np.concatenate([part[name] for part in parts]) for name in RETURN_METRICS}

    length = block_length if block_length is not None else mean_block_length(returns)
    return bands_of_rows(
        measure_indices,
        len(returns),
        block_length=length,
        level=level,
        replications=replications,
        seed=seed,
    )


def _bands_by_trades(trades: Sequence[Trade], level: float, replications: int, seed: int) -> Bands:
    closed = [trade for trade in trades if trade.exit_bar is not None]
    if len(closed) < LEAST_TRADES:
        return dict.fromkeys(TRADE_METRICS, NotEnough("closed trades", len(closed), LEAST_TRADES))
    pnl = np.array([trade.pnl for trade in closed])
    returns = pnl / np.array([trade.size * trade.entry_price for trade in closed])
    return bands_of_rows(
        lambda rows: trade_metrics(pnl[rows], returns[rows]),
        len(closed),
        block_length=1.0,
        level=level,
        replications=replications,
        seed=seed,
    )
