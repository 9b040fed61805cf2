"""Runs cases through vectorbt and brings its records into our words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from comparing import Case, PeerTrade

# What makes `from_signals` mean what we mean; each is pinned by a test of its own.
ALIGNED = {
    "stop_entry_price": "fillprice",
    "stop_exit_price": "stopmarket",
    "upon_long_conflict": "exit",
    "upon_short_conflict": "exit",
}


@dataclass(frozen=True)
class VectorbtRun:
    """One column of a portfolio."""

    trades: list[PeerTrade]
    equity: np.ndarray

    @property
    def bars_left_without_entry(self) -> list[int]:
        """Bars on which a position ended and vectorbt opened none.

        After a stop it never does: it allows one order a bar. Without the entry signals of those bars we do
        what it does, whatever ended the position: an exit beats an entry, and an opposite entry would have
        reversed.
        """
        opened = {trade.entry_bar for trade in self.trades}
        return [t.exit_bar for t in self.trades if t.exit_bar is not None and t.exit_bar not in opened]


def run_vectorbt(bars, cases: list[Case], *, cash=100_000.0, percent=None, **settings) -> list[VectorbtRun]:
    """Run all cases as the columns of one portfolio; `settings` override `ALIGNED`.

    `percent` is the fraction of the cash to buy for, one a case; without it all that cash affords is bought.
    """
    portfolio = make_portfolio(bars, cases, cash=cash, percent=percent, **settings)
    return [_column(portfolio, i) for i in range(len(cases))]


def make_portfolio(bars, cases, *, cash=100_000.0, percent=None, **settings):
    import pandas as pd
    import vectorbt as vbt

    index = pd.DatetimeIndex(bars.timestamp)
    series = {name: pd.Series(getattr(bars, name), index=index) for name in ("open", "high", "low", "close")}
    flags = [np.column_stack(side) for side in zip(*(case.flags for case in cases), strict=True)]
    trailing = np.array([case.trailing_stop is not None for case in cases])
    stops = _levels([case.stop_loss if case.trailing_stop is None else case.trailing_stop for case in cases])
    sizes = {} if percent is None else {"size": np.array(percent), "size_type": "percent"}
    return vbt.Portfolio.from_signals(
        series.pop("close"),
        flags[0],
        flags[1],
        flags[2],
        flags[3],
        **series,
        sl_stop=stops,
        sl_trail=trailing,
        tp_stop=_levels([case.take_profit for case in cases]),
        init_cash=cash,
        freq="1D",
        **{**ALIGNED, **sizes, **settings},
    )


def _levels(values):
    return np.array([np.nan if value is None else value for value in values])


def _column(portfolio, i) -> VectorbtRun:
    records = portfolio.trades.values
    of_column = records[records["col"] == i]
    return VectorbtRun([_trade(r) for r in of_column], np.asarray(portfolio.value())[:, i].copy())


def _trade(r) -> PeerTrade:
    is_open = int(r["status"]) == 0
    return PeerTrade(
        entry_bar=int(r["entry_idx"]),
        exit_bar=None if is_open else int(r["exit_idx"]),
        entry_price=float(r["entry_price"]),
        exit_price=None if is_open else float(r["exit_price"]),
        size=float(r["size"]),
        side="long" if int(r["direction"]) == 0 else "short",
        pnl=float(r["pnl"]),
    )
