"""Our metrics from another engine's account: its equity curve, its positions and its fills.

The definitions are those of `backtest/metrics.py`; an engine's own Sharpe ratio or drawdown is never used for ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.metrics import closed_trade_metrics, equity_metrics, ratio
from strategy_optimizer.backtest.plan import NANOSECONDS_A_YEAR

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


BY_THE_YEAR = ("annual_return", "volatility", "sharpe_ratio", "sortino_ratio", "calmar_ratio", "turnover")
"""Metrics that need to know how long the bars last."""


def has_no_time(metrics: Mapping[str, float]) -> bool:
    """Return whether metrics are those of bars without moments: what is by the year is no number, the rest is one.

    >>> has_no_time({"total_return": 0.1, "annual_return": float("nan"), "turnover": float("nan"), "trades": 0})
    True
    >>> has_no_time({"total_return": 0.0, "annual_return": 0.0, "sharpe_ratio": float("nan"), "turnover": 0.0})
    False
    """
    nan = float("nan")
    by_the_year = (metrics.get("annual_return", 0.0), metrics.get("turnover", 0.0))
    return all(map(math.isnan, by_the_year)) and math.isfinite(metrics.get("total_return", nan))


def _no_bars() -> IntArray:
    return np.empty(0, dtype=np.int64)


def _no_numbers() -> FloatArray:
    return np.empty(0)


@dataclass(frozen=True)
class Account:
    """What an engine knows of one backtest of n bars.

    Attributes
    ----------
    equity : array, shape (n,)
        In cash, marked at each close.
    cash : float
        Starting cash.
    years : float
        From the first bar to the last; NaN where the bars have no time.
    entry_bars, exit_bars : arrays, shape (positions,)
        Bars of the fills; the exit bar of a position that is still open is n.
    pnl, entry_notionals : arrays, shape (positions,)
        In cash, after costs.
    fill_bars, fill_notionals : arrays, shape (fills,)
        In cash, costs of slippage included.
    """

    equity: FloatArray
    cash: float
    years: float
    entry_bars: IntArray = field(default_factory=_no_bars)
    exit_bars: IntArray = field(default_factory=_no_bars)
    pnl: FloatArray = field(default_factory=_no_numbers)
    entry_notionals: FloatArray = field(default_factory=_no_numbers)
    fill_bars: IntArray = field(default_factory=_no_bars)
    fill_notionals: FloatArray = field(default_factory=_no_numbers)

    def returns(self) -> FloatArray:
        """Return the simple returns from bar to bar, (n - 1,); 0 once the account is lost."""
        before, after = self.equity[:-1], self.equity[1:]
        solvent = before > 0.0
        returns: FloatArray = np.where(solvent, after / np.where(solvent, before, 1.0) - 1.0, 0.0)
        return returns

    def metrics(self) -> dict[str, float]:
        """Return the keys of `METRICS` but ``costs_paid``, which only the engine knows."""
        n = len(self.equity)
        periods = (n - 1) / self.years if self.years > 0 else float("nan")
        closed = self.exit_bars < n
        pnl = self.pnl[closed]
        held = np.zeros(
            n + 1, dtype=np.int64
        )  # +1 at an entry, -1 at an exit: an exit's own close is not held
        np.add.at(held, self.entry_bars, 1)
        np.add.at(held, self.exit_bars, -1)
        equity_before = np.concatenate([[self.cash], self.equity])[self.fill_bars]
        traded = float(np.sum(self.fill_notionals / np.where(equity_before > 0, equity_before, np.nan)))
        return {
            **equity_metrics(self.equity.tolist(), self.cash, self.years, periods),
            **closed_trade_metrics(pnl.tolist(), (pnl / self.entry_notionals[closed]).tolist()),
            "exposure": float((np.cumsum(held[:n]) > 0).mean()),
            "turnover": ratio(traded, self.years),
            "trades": float(len(self.entry_bars)),
        }


def years_of(index: NDArray[np.generic]) -> float:
    """Return the years from the first to the last moment of an index; NaN where it holds no moments.

    >>> years_of(np.array(["2020-01-01", "2024-01-01"], dtype="M8[D]"))
    4.0
    """
    if len(index) < 2 or index.dtype.kind != "M":
        return float("nan")
    span = (index[-1] - index[0]).astype("m8[ns]").astype(np.int64)
    return float(span) / NANOSECONDS_A_YEAR if span > 0 else float("nan")
