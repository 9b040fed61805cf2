"""What a backtest returns: one run with its trades and equity, or the metrics of a whole population."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.errors import BacktestError, nearest_name

FloatArray = NDArray[np.float64]
EXIT_REASONS = ("open", "signal", "stop_loss", "trailing_stop", "take_profit", "bankruptcy")


@dataclass(frozen=True)
class Trade:
    """One position from its entry to its exit.

    Prices include slippage; `pnl` is in cash and after all costs; `size` is in shares; `side` is "long" or
    "short". An open trade has no exit bar and no exit price, and its pnl is marked at the last close.
    """

    entry_bar: int
    exit_bar: int | None
    entry_price: float
    exit_price: float | None
    size: float
    side: str
    pnl: float
    exit_reason: str
    symbol: int = 0


@dataclass(frozen=True)
class BacktestResult:
    """One backtest: trades in the order of their entries, equity at each close, metrics and block sums.

    Attributes
    ----------
    trades : tuple of Trade
    equity : array, shape (bars of the window,)
        In cash, marked at each close.
    metrics : dict
        The keys of `METRICS`.
    blocks : array, shape (B, 3)
        Count, sum and sum of squares of the returns in B equal parts of the window.
    """

    trades: tuple[Trade, ...]
    equity: FloatArray
    metrics: dict[str, float]
    blocks: FloatArray


@dataclass(frozen=True)
class MetricsTable:
    """The metrics of many candidates: ``table[i]`` is a dict, ``table["sharpe_ratio"]`` an array.

    Attributes
    ----------
    values : array, shape (candidates, metrics)
        Columns in the order of `names`; a failed candidate's row is NaN.
    blocks : array, shape (candidates, B, 3)
        Count, sum and sum of squares of the returns in B equal parts of the window.
    errors : dict
        Row of each failed candidate and why it failed.
    names : tuple of str
        The metrics: `METRICS`, or those of another engine.
    """

    values: FloatArray
    blocks: FloatArray
    errors: dict[int, str] = field(default_factory=dict)
    names: tuple[str, ...] = METRICS

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, key: int | str) -> dict[str, float] | FloatArray:
        if isinstance(key, str):
            return self.values[:, metric_column(key, self.names)]
        return dict(zip(self.names, self.values[key].tolist(), strict=True))

    def __iter__(self) -> Iterator[dict[str, float]]:
        return (dict(zip(self.names, row, strict=True)) for row in self.values.tolist())


def metric_column(name: str, names: tuple[str, ...] = METRICS) -> int:
    """Return the column of a metric, or raise a `BacktestError` with the nearest name."""
    if name not in names:
        raise BacktestError(
            f"there is no metric '{name}'{nearest_name(name, names)} (known: {', '.join(names)})"
        )
    return names.index(name)
