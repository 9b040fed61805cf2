"""The metrics of a backtest: one table of definitions, and their slow, obvious computation.

Notation: e_t is the equity at close t, r_t = e_t / e_{t-1} - 1 for the n = bars - 1 steps of the window, Y the
years between its first and last timestamp, P the periods a year (n / Y unless overridden). The compiled kernel
computes the same numbers from running sums; `tests/backtest` holds both to 1e-9.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

METRIC_DEFINITIONS: Mapping[str, str] = {
    "total_return": "final equity / starting cash - 1",
    "annual_return": "(1 + total_return) ** (1 / Y) - 1; -1 when the account is lost",
    "volatility": "standard deviation of r (ddof 1) * sqrt(P)",
    "sharpe_ratio": "mean(r) / standard deviation of r (ddof 1) * sqrt(P); risk-free rate 0",
    "sortino_ratio": "mean(r) / sqrt(mean(min(r, 0) ** 2)) * sqrt(P), the mean over all n steps",
    "calmar_ratio": "annual_return / max_drawdown",
    "max_drawdown": "largest 1 - e_t / running maximum of the equity (starting cash included); positive",
    "max_drawdown_bars": "most bars in a row below an earlier maximum",
    "win_rate": "closed trades with a positive pnl / closed trades",
    "profit_factor": "sum of positive pnl / - sum of the other pnl, closed trades, after costs",
    "expectancy": "mean of pnl / entry notional over closed trades",
    "exposure": "closes at which a position is held / bars",
    "turnover": "sum over fills of notional / equity at the close before, a year",
    "trades": "positions opened, whether closed or still open",
    "costs_paid": "commissions, fixed fees, slippage and borrow, in cash",
    "skew": "third standardised moment of r (population)",
    "kurtosis": "fourth standardised moment of r (population, normal = 3)",
}
METRICS: tuple[str, ...] = tuple(METRIC_DEFINITIONS)


def equity_metrics(
    equity: Sequence[float], cash: float, years: float, periods_per_year: float
) -> dict[str, float]:
    """Return the metrics that the equity curve determines.

    Parameters
    ----------
    equity : sequence of float
        Equity at each close of the window, in cash.
    cash : float
        Starting cash.
    years, periods_per_year : float
        Length of the window in years, and bars a year.

    Notes
    -----
    A ratio without a denominator is NaN, or infinite where the numerator is positive. After bankruptcy (equity
    not above zero) the returns are 0.
    """
    returns = _returns(equity)
    n = len(returns)
    scale = math.sqrt(periods_per_year) if periods_per_year >= 0 else math.nan
    mean = math.fsum(returns) / n if n else math.nan
    m2, m3, m4 = (_central_moment(returns, mean, k) for k in (2, 3, 4))
    deviation = math.sqrt(m2 * n / (n - 1)) if n > 1 else math.nan
    down = math.sqrt(math.fsum(min(r, 0.0) ** 2 for r in returns) / n) if n else math.nan
    growth = equity[-1] / cash
    annual = growth ** (1.0 / years) - 1.0 if growth > 0.0 else -1.0
    drawdown, drawdown_bars = _drawdown(equity, cash)
    return {
        "total_return": growth - 1.0,
        "annual_return": annual,
        "volatility": deviation * scale,
        "sharpe_ratio": ratio(mean, deviation) * scale if deviation > 0.0 else math.nan,
        "sortino_ratio": ratio(mean, down) * scale,
        "calmar_ratio": ratio(annual, drawdown),
        "max_drawdown": drawdown,
        "max_drawdown_bars": float(drawdown_bars),
        "skew": m3 / m2**1.5 if m2 > 0.0 else math.nan,
        "kurtosis": m4 / m2**2 if m2 > 0.0 else math.nan,
    }


def closed_trade_metrics(pnl: Sequence[float], returns: Sequence[float]) -> dict[str, float]:
    """Return the metrics that the closed trades determine: win rate, profit factor, expectancy.

    Parameters
    ----------
    pnl : sequence of float
        Profit or loss of each closed trade in cash, after costs.
    returns : sequence of float
        The same over the trade's notional at its entry.
    """
    wins = [x for x in pnl if x > 0]
    losses = [-x for x in pnl if not x > 0]
    return {
        "win_rate": ratio(len(wins), len(pnl)),
        "profit_factor": ratio(math.fsum(wins), math.fsum(losses)),
        "expectancy": ratio(math.fsum(returns), len(pnl)),
    }


def block_sums(equity: Sequence[float], n_blocks: int) -> list[tuple[int, float, float]]:
    """Return ``(count, sum r, sum r^2)`` of the returns in `n_blocks` equal parts; part k starts at k * n // B."""
    returns = _returns(equity)
    n = len(returns)
    parts = [returns[k * n // n_blocks : (k + 1) * n // n_blocks] for k in range(n_blocks)]
    return [(len(part), math.fsum(part), math.fsum(r * r for r in part)) for part in parts]


def _returns(equity: Sequence[float]) -> list[float]:
    return [b / a - 1.0 if a > 0.0 else 0.0 for a, b in pairwise(equity)]


def ratio(numerator: float, denominator: float) -> float:
    """Divide as IEEE 754 does: x / 0 is infinite, 0 / 0 is NaN.

    >>> ratio(1.0, 0.0), ratio(1.0, 4.0)
    (inf, 0.25)
    """
    if denominator != 0.0:
        return numerator / denominator
    return math.copysign(math.inf, numerator) if numerator != 0.0 and numerator == numerator else math.nan


def _central_moment(values: Sequence[float], mean: float, k: int) -> float:
    if not values:
        return math.nan
    moment = math.fsum((v - mean) ** k for v in values) / len(values)
    # A constant return: what is left is rounding.
    return 0.0 if k == 2 and not moment > 1e-14 * mean * mean else moment


def _drawdown(equity: Sequence[float], cash: float) -> tuple[float, int]:
    """Return the largest fall from a running maximum, and the longest time below one, in bars."""
    peak, peak_bar, deepest, longest = cash, -1, 0.0, 0
    for t, e in enumerate(equity):
        if e >= peak:
            peak, peak_bar = e, t
        else:
            deepest = max(deepest, 1.0 - e / peak)
            longest = max(longest, t - peak_bar)
    return deepest, longest
