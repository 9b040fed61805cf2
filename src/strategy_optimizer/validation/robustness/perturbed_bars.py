"""Markets that are nearly the one that happened: noisy prices, other orders of its bars, missing bars."""

from __future__ import annotations

import numpy as np

from strategy_optimizer.market import Bars
from strategy_optimizer.validation.altered_bars import COLUMNS, PRICES, with_columns
from strategy_optimizer.validation.statistics.bootstrap import mean_block_length
from strategy_optimizer.validation.statistics.not_enough import FloatArray, IntArray
from strategy_optimizer.validation.statistics.resampling import stationary_indices


def noisy_bars(bars: Bars, share: float, rng: np.random.Generator) -> Bars:
    """Return bars whose four prices are each off by noise; high and low still contain open and close.

    Parameters
    ----------
    bars : Bars
    share : float
        Standard deviation of the noise of each log price, as a share of the standard deviation of the symbol's
        log returns from close to close.
    rng : Generator

    Notes
    -----
    The noise of a bar is gone at the next one: prices come back, as between bid and ask.
    """
    volatility = np.diff(np.log(bars.close), axis=0).std(axis=0)
    prices = {
        name: getattr(bars, name) * np.exp(share * volatility * rng.standard_normal(bars.close.shape))
        for name in PRICES
    }
    return with_columns(bars, {**_consistent(prices), "volume": bars.volume})


def _consistent(prices: dict[str, FloatArray]) -> dict[str, FloatArray]:
    stacked = np.stack([prices[name] for name in PRICES])
    return {**prices, "high": stacked.max(axis=0), "low": stacked.min(axis=0)}


def resampled_bars(bars: Bars, block_length: float, rng: np.random.Generator) -> Bars:
    """Return a new market of the same bars in another order, by the stationary bootstrap.

    Parameters
    ----------
    bars : Bars
    block_length : float
        Mean length of the blocks, in bars.
    rng : Generator

    Notes
    -----
    A bar is its four prices over the close before it, and its volume. The first bar, the timestamps and the
    order of the symbols' bars among each other stay: all symbols are drawn together.
    """
    rows = 1 + stationary_indices(bars.n_bars - 1, block_length, 1, rng)[0]
    log_close = np.log(bars.close)
    steps = np.diff(log_close, axis=0)[rows - 1]
    close = np.concatenate([bars.close[:1], bars.close[0] * np.exp(np.cumsum(steps, axis=0))])
    columns = {
        name: np.concatenate([values[:1], close[:-1] * (values[rows] / bars.close[rows - 1])])
        for name, values in ((name, getattr(bars, name)) for name in PRICES)
    }
    columns["close"] = close
    volume = np.concatenate([bars.volume[:1], bars.volume[rows]])
    # Rounding may put the close a hair outside of high and low.
    return with_columns(bars, {**_consistent(columns), "volume": volume})


def market_block_length(bars: Bars) -> float:
    """Return the mean block length that keeps both trends and clusters of volatility of any symbol, in bars.

    The larger of the optimal lengths of the log returns and of their absolute values.
    """
    returns = np.diff(np.log(bars.close.reshape(bars.n_bars, bars.n_symbols)), axis=0)
    return max(mean_block_length(values) for column in returns.T for values in (column, np.abs(column)))


def without_bars(bars: Bars, dropped: IntArray) -> Bars:
    """Return the bars without those at the given indices."""
    columns = {name: np.delete(getattr(bars, name), dropped, axis=0) for name in (*COLUMNS, "timestamp")}
    return Bars(**columns, symbols=bars.symbols, name=bars.name)


def dropped_rows(n_bars: int, share: float, rng: np.random.Generator) -> IntArray:
    """Return ascending indices of a share of the bars, at least one, never the first or the last."""
    count = min(max(1, round(share * n_bars)), n_bars - 2)
    return np.sort(1 + rng.choice(n_bars - 2, size=count, replace=False))
