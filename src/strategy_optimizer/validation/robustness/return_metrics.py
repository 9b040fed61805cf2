"""The metrics that returns or trades determine, for many resampled series at once.

The definitions are those of `backtest/metrics.py`, with its rules for zero denominators; the tests hold both to 1e-9.
Notation: r (B, n) are B series of n returns, e (B, n + 1) the equity over the starting cash.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.validation.statistics.not_enough import ROUNDING, FloatArray

RETURN_METRICS = (
    "total_return",
    "annual_return",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown",
    "max_drawdown_bars",
    "skew",
    "kurtosis",
)
TRADE_METRICS = ("win_rate", "profit_factor", "expectancy")


def return_metrics(
    r: FloatArray, *, years: float, periods_per_year: float, first_equity: float = 1.0
) -> dict[str, FloatArray]:
    """Return the `RETURN_METRICS` of each series, (B,) each.

    Parameters
    ----------
    r : array, shape (B, n)
        Returns a bar.
    years, periods_per_year : float
        Length of each series in years, and bars a year.
    first_equity : float
        Equity at the first close over the starting cash; other than 1 when costs were paid on the first bar.

    Notes
    -----
    A ratio without a denominator is NaN, or infinite where the numerator is not zero. A return of -1 or less ends
    the account: the returns after it are 0.
    """
    r = _until_ruin(r)
    equity = np.empty((len(r), r.shape[1] + 1))
    equity[:, 0] = first_equity
    np.cumprod(1.0 + r, axis=1, out=equity[:, 1:])
    equity[:, 1:] *= first_equity
    drawdown, drawdown_bars = _drawdowns(equity)
    growth = equity[:, -1]
    annual = np.where(growth > 0.0, np.maximum(growth, 0.0) ** (1.0 / years) - 1.0, -1.0)
    return {
        "total_return": growth - 1.0,
        "annual_return": annual,
        "calmar_ratio": ratio(annual, drawdown),
        "max_drawdown": drawdown,
        "max_drawdown_bars": drawdown_bars,
        **_moment_metrics(r, float(np.sqrt(periods_per_year))),
    }


def _until_ruin(r: FloatArray) -> FloatArray:
    if not r.size or r.min() > -1.0:
        return r
    ruined = np.maximum.accumulate(r <= -1.0, axis=1)
    after = np.concatenate([np.zeros((len(r), 1), np.bool_), ruined[:, :-1]], axis=1)
    return np.where(after, 0.0, r)


def _drawdowns(equity: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the largest fall from a running maximum of each row, and the longest time below one, in bars."""
    path = np.concatenate([np.ones((len(equity), 1)), equity], axis=1)  # the starting cash
    peak = np.maximum.accumulate(path, axis=1)
    bars = np.arange(path.shape[1], dtype=np.int32)
    last_peak = np.maximum.accumulate(np.where(path == peak, bars, np.int32(0)), axis=1)
    np.divide(path, peak, out=path)
    return 1.0 - path.min(axis=1), (bars - last_peak).max(axis=1).astype(np.float64)


def _moment_metrics(r: FloatArray, scale: float) -> dict[str, FloatArray]:
    n = r.shape[1]
    mean = r.mean(axis=1)
    deviations = r - mean[:, None]
    squares = deviations * deviations
    m2 = squares.mean(axis=1)
    m2 = np.where(m2 > ROUNDING * mean * mean, m2, 0.0)
    m3, m4 = (np.einsum("ij,ij->i", squares, other) / n for other in (deviations, squares))
    deviation = np.sqrt(m2 * (n / (n - 1.0)))
    falls = np.minimum(r, 0.0)
    down = np.sqrt(np.einsum("ij,ij->i", falls, falls) / n)
    varying = np.where(m2 > 0.0, m2, np.nan)
    return {
        "volatility": deviation * scale,
        "sharpe_ratio": mean / np.where(deviation > 0.0, deviation, np.nan) * scale,
        "sortino_ratio": ratio(mean, down) * scale,
        "skew": m3 / varying**1.5,
        "kurtosis": m4 / varying**2,
    }


def trade_metrics(pnl: FloatArray, returns: FloatArray) -> dict[str, FloatArray]:
    """Return the `TRADE_METRICS` of each row of closed trades, (B,) each.

    Parameters
    ----------
    pnl : array, shape (B, n)
        Profit or loss of each trade in cash, after costs.
    returns : array, shape (B, n)
        The same over the trade's notional at its entry.
    """
    gains = np.maximum(pnl, 0.0).sum(axis=1)
    losses = np.maximum(-pnl, 0.0).sum(axis=1) + 0.0  # never -0.0, which would turn the sign of infinity
    return {
        "win_rate": (pnl > 0.0).mean(axis=1),
        "profit_factor": ratio(gains, losses),
        "expectancy": returns.mean(axis=1),
    }


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide as `backtest.metrics.ratio` does: x / 0 is infinite, 0 / 0 is NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        divided: NDArray[np.float64] = numerator / denominator
    return divided
