"""Runs cases through backtesting.py, with a strategy that decides by our rules from signals given to it.

Two things cannot be said in its words, and the strategy helps: levels are prices that have to be known when
the order is placed, so it looks at the next open to place them at a fraction of the fill; and sizes are whole
shares, so the account is so large (10 ** 13) that a share does not matter.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from comparing import Case, PeerTrade

CASH = 1e13


@dataclass(frozen=True)
class BacktestingRun:
    """Closed trades, equity at each close, and the statistics."""

    trades: list[PeerTrade]
    equity: np.ndarray
    stats: object


def run_backtesting(bars, case: Case, *, cash=CASH, commission=0.0, **settings) -> BacktestingRun:
    """Run one case with next-open fills."""
    backtest = make_backtest(
        bars, mirror_of(bars, case, commission), cash=cash, commission=commission, **settings
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stats = backtest.run()
    trades = [_trade(row) for row in stats["_trades"].itertuples()]
    return BacktestingRun(trades, stats["_equity_curve"]["Equity"].to_numpy(), stats)


def make_backtest(bars, strategy, **settings):
    import backtesting
    import pandas as pd

    backtesting.backtesting._tqdm = lambda iterable, **_: iterable  # no progress bar
    names = ("Open", "High", "Low", "Close", "Volume")
    frame = pd.DataFrame({n: getattr(bars, n.lower()) for n in names}, index=pd.DatetimeIndex(bars.timestamp))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return backtesting.Backtest(frame, strategy, exclusive_orders=True, **settings)


def representable(bars, case: Case) -> Case:
    """Return the case without the entries that backtesting.py cannot make, so that both engines lack them.

    It decides nothing on bar 0, and refuses an order whose stop and target do not lie on either side of the
    last close, which happens when the open gaps away from it by more than the level.
    """
    gap = np.append(bars.open[1:] / bars.close[:-1], 1.0)  # the fill in units of the close before
    nearest = [x for x in (case.stop_loss, case.trailing_stop) if x is not None]
    stop, target = min(nearest, default=np.inf), case.take_profit or np.inf
    long_ok = (gap * (1 - stop) < 1) & (gap * (1 + target) > 1)
    short_ok = (gap * (1 + stop) > 1) & (gap * (1 - target) < 1)
    long_ok[0] = short_ok[0] = False
    return replace(case, entries=case.entries & long_ok, short_entries=case.short_entries & short_ok)


def mirror_of(bars, case: Case, commission=0.0):
    """Return a strategy class that trades the case by our rules of decision."""
    from backtesting import Strategy

    both_sides = case.entries & ~case.exits & case.short_entries & ~case.short_exits
    long_in = case.entries & ~case.exits & ~both_sides
    short_in = case.short_entries & ~case.short_exits & ~both_sides
    # A fraction of its cash has to pay the commission too; ours is a fraction of the equity bought.
    fraction = commission if isinstance(commission, float) else 0.0
    size = min(case.size * (1 + fraction), np.nextafter(1.0, 0.0))

    class Mirror(Strategy):
        extreme: ClassVar[float]

        def init(self):
            pass

        def next(self):
            t = len(self.data) - 1
            if not self.position:
                self._open(t)
                return
            side = 1 if self.position.is_long else -1
            if (short_in if side == 1 else long_in)[t]:
                self._open(t)
            elif (case.exits if side == 1 else case.short_exits)[t]:
                self.position.close()
            elif case.trailing_stop is not None:
                self._raise_stop(side)

        def _open(self, t):
            if t + 1 == bars.n_bars or not (long_in[t] or short_in[t]):
                return
            side = 1 if long_in[t] else -1
            fill = bars.open[t + 1]
            stops = [fill * (1 - side * x) for x in (case.stop_loss, case.trailing_stop) if x is not None]
            stop = (max(stops) if side == 1 else min(stops)) if stops else None
            target = None if case.take_profit is None else fill * (1 + side * case.take_profit)
            (self.buy if side == 1 else self.sell)(size=size, sl=stop, tp=target)

        def _raise_stop(self, side):
            trade = self.trades[0]
            since = slice(trade.entry_bar, len(self.data))
            extreme = bars.high[since].max() if side == 1 else bars.low[since].min()
            trailing = extreme * (1 - side * case.trailing_stop)
            if trade.sl is None or side * trailing > side * trade.sl:
                trade.sl = trailing

    return Mirror


def _trade(row) -> PeerTrade:
    return PeerTrade(
        entry_bar=int(row.EntryBar),
        exit_bar=int(row.ExitBar),
        entry_price=float(row.EntryPrice),
        exit_price=float(row.ExitPrice),
        size=abs(float(row.Size)),
        side="long" if row.Size > 0 else "short",
        pnl=float(row.PnL),
    )
