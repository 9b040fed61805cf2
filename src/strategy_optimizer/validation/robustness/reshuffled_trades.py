"""The same trades in another order, or drawn anew: which drawdowns to be ready for.

Notation: b_i is the starting cash and all that was earned by closed trades up to trade i, in the order of exits, and
x_i = pnl_i / b_{i-1}. The product of all 1 + x_i is the final balance over the starting cash, exactly, also when
the trades of several symbols overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategy_optimizer.backtest import Trade
from strategy_optimizer.validation.statistics.bootstrap import mean_block_length
from strategy_optimizer.validation.statistics.not_enough import (
    FloatArray,
    IntArray,
    NotEnough,
    lacking_returns,
    require,
)
from strategy_optimizer.validation.statistics.resampling import stationary_indices

METHODS = ("permutation", "bootstrap")
LEAST_TRADES = 20
ALARM_LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class ReshuffledTrades:
    """Trades put in other orders, or drawn anew.

    Attributes
    ----------
    method : {"permutation", "bootstrap"}
    n_trades : int
        Closed trades.
    block_length : float
        Mean length of the blocks that were drawn, in trades; 1 for permutations.
    total_return, sharpe_ratio, max_drawdown : float
        Of the closed trades in their own order: a Sharpe ratio per trade (ddof 1, not annualised), and a drawdown
        of the balance after each trade, less deep than one marked at each close.
    total_returns, sharpe_ratios, max_drawdowns : array, shape (replications,)
        The same of each replication; a permutation changes the drawdowns alone.
    alarm_drawdown : float
        The 95th percentile of `max_drawdowns`: a deeper one is a reason to stop and look.
    """

    method: str
    n_trades: int
    block_length: float
    total_return: float
    sharpe_ratio: float
    max_drawdown: float
    total_returns: FloatArray
    sharpe_ratios: FloatArray
    max_drawdowns: FloatArray
    alarm_drawdown: float


def reshuffled_trades(
    trades: Sequence[Trade],
    cash: float,
    *,
    method: str = "permutation",
    replications: int = 1000,
    block_length: float | None = None,
    seed: int = 0,
) -> ReshuffledTrades | NotEnough:
    """Put closed trades into other orders, or draw as many anew.

    Parameters
    ----------
    trades : sequence of Trade
        Open ones are left out.
    cash : float
        Starting cash.
    method : {"permutation", "bootstrap"}
        Each trade once in a random order, or blocks of trades drawn with replacement.
    replications : int
    block_length : float, optional
        Mean length of the bootstrap's blocks, in trades; by default the automatic one of their returns.
    seed : int

    Returns
    -------
    ReshuffledTrades or NotEnough
        Not enough below 20 closed trades, when all earn the same, or when the account was lost.

    Notes
    -----
    Any order forgets that losses come together; the bootstrap keeps what blocks can. `metric_bands` has a drawdown
    band from resampled bars, which sees inside of trades too.

    Examples
    --------
    >>> from strategy_optimizer import get_strategy, load_bars, run_backtest
    >>> result = run_backtest(get_strategy("momentum"), {}, load_bars("nasdaq"))
    >>> found = reshuffled_trades(result.trades, 100_000.0)
    >>> found.max_drawdowns.min() < found.max_drawdown < found.alarm_drawdown
    True
    """
    require(method in METHODS, "method", method, f"one of {', '.join(METHODS)}")
    require(replications >= 1, "replications", replications, "at least 1")
    returns = balance_returns(trades, cash)
    lacking = returns if isinstance(returns, NotEnough) else lacking_returns(returns, LEAST_TRADES)
    if isinstance(returns, NotEnough) or lacking:
        return lacking or returns  # type: ignore[return-value]  # one of the two is a NotEnough
    rng = np.random.default_rng(seed)
    length = 1.0
    if method == "bootstrap":
        length = block_length if block_length is not None else mean_block_length(returns)
    own = _path_metrics(returns[None, :])
    found = _path_metrics(returns[_rows(len(returns), method, length, replications, rng)])
    alarm = float(np.quantile(found[2], ALARM_LEVEL, method="inverted_cdf"))
    total_return, sharpe_ratio, max_drawdown = (float(values[0]) for values in own)
    return ReshuffledTrades(
        method, len(returns), length, total_return, sharpe_ratio, max_drawdown, *found, alarm
    )


def balance_returns(trades: Sequence[Trade], cash: float) -> FloatArray | NotEnough:
    """Return x_i = pnl_i / b_{i-1} of the closed trades, in the order of their exits."""
    closed = [trade for trade in trades if trade.exit_bar is not None]
    closed.sort(key=lambda trade: (trade.exit_bar, trade.entry_bar, trade.symbol))
    if len(closed) < LEAST_TRADES:
        return NotEnough("closed trades", len(closed), LEAST_TRADES)
    pnl = np.array([trade.pnl for trade in closed])
    balances = cash + np.concatenate([[0.0], np.cumsum(pnl)])
    if balances.min() <= 0.0:
        return NotEnough("cash in the account", float(balances.min()), 0.0)
    returns: FloatArray = pnl / balances[:-1]
    return returns


def _rows(n: int, method: str, length: float, replications: int, rng: np.random.Generator) -> IntArray:
    if method == "bootstrap":
        return stationary_indices(n, length, replications, rng)
    return rng.permuted(np.tile(np.arange(n), (replications, 1)), axis=1)


def _path_metrics(returns: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return total return, Sharpe ratio and largest drawdown of each row of returns (B, n)."""
    balance = np.cumprod(np.concatenate([np.ones((len(returns), 1)), 1.0 + returns], axis=1), axis=1)
    drawdown = 1.0 - (balance / np.maximum.accumulate(balance, axis=1)).min(axis=1)
    deviation = returns.std(axis=1, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        sharpe = returns.mean(axis=1) / deviation
    return balance[:, -1] - 1.0, sharpe, drawdown
