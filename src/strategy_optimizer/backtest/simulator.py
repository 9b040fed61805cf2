"""The compiled simulator for some bars and rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.compiled import simulators
from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.backtest.plan import BarRows, Rules, SignalRows, account_values, bar_rows, level_masks
from strategy_optimizer.market import Bars

FloatArray = NDArray[np.float64]
# Elements behind the path of the equity: the simulator writes whole groups of bars.
SPARE = 64
NO_RECORDS = np.empty((0, 0)), np.empty(0)


class Simulator:
    """Turns signals into metrics; threads may share it, each with a `room` of its own."""

    def __init__(self, bars: Bars, rules: Rules) -> None:
        self.bars = bars
        self.rules = rules
        self.kernel = simulators()
        rows = bar_rows(bars)
        self.one_symbol = bars.n_symbols == 1
        if self.one_symbol:
            self.prices = _symbol_prices(self.kernel, rows)
        else:
            self.prices = self.kernel.PortfolioPrices(rows.open, rows.high, rows.low, rows.close)

    def room(self) -> Any:
        """Return the arrays that one run writes to and the next one may use again."""
        start, stop = self.rules.window_of(self.bars)
        n, n_edges, together = stop - start + 1 + SPARE, self.rules.n_blocks + 1, self.together
        tally = np.empty((together, self.kernel.TALLY))
        path = np.empty(n), np.empty(n, np.int32), np.empty(n_edges, np.int64)
        starts = np.empty((together, n_edges), np.int64)
        if not self.one_symbol:
            return self.kernel.PortfolioRoom(tally[0], self.kernel.Path(*path, starts[0]))
        wishes = np.empty((together, 4, -(-self.bars.n_bars // 64) + 2), np.uint64)
        return self.kernel.Room(tally, *path, starts, wishes)

    @property
    def together(self) -> int:
        """Candidates that walk through the bars together: one where the bars fit into the caches."""
        long = self.one_symbol and self.bars.n_bars > 2 * self.kernel.STRETCH
        return int(self.kernel.TOGETHER) if long else 1

    def sets(self, flags: Sequence[NDArray[np.bool_]]) -> NDArray[np.uint64]:
        """Return signals (n, symbols, bars) as sets of bars (n, symbols, signals, words), 64 bars a word."""
        n, n_symbols, n_bars = flags[0].shape
        sets = np.empty((n, n_symbols, len(flags), -(-n_bars // 64)), np.uint64)
        for k, values in enumerate(flags):
            # All of them with k, not a slice: Numba compiles anew for slices, whose layout changes with n.
            self.kernel.pack_signals(np.ascontiguousarray(values), sets, k)
        return sets

    def run(
        self,
        sets: NDArray[np.uint64],
        levels: Sequence[FloatArray],
        warmups: NDArray[np.int64],
        notional: bool,
        room: Any,
        out: tuple[FloatArray, FloatArray],
        records: tuple[FloatArray, FloatArray] = NO_RECORDS,
    ) -> None:
        """Write the metrics (n, 17) and block sums (n, B, 3) of n candidates into `out`.

        Signals are sets of bars (n, symbols, 2 or 4, words), the four order values (n, symbols, 1 or bars). The
        trades and the equity of a single candidate are written into `records` when these are not empty.
        """
        masks, account = level_masks(levels), self._account(notional)
        run = self.kernel.run_portfolio
        if self.one_symbol:
            run = self.kernel.run_symbol
            sets, levels = sets[:, 0], [level[:, 0] for level in levels]
        run(self.prices, sets, warmups, *levels, masks, account, room, *out, *records)

    def record(self, plan: SignalRows) -> tuple[dict[str, float], FloatArray, FloatArray, FloatArray]:
        """Return the metrics, block sums (B, 3), trades (n, 9) and equity (bars of the window,) of one candidate."""
        start, stop = self.rules.window_of(self.bars)
        trades = np.empty((_most_trades(plan, stop - start), self.kernel.TRADE_COLUMNS))
        curve = np.empty(self.bars.n_bars)
        sets = self.sets([flags[np.newaxis] for flags in plan.given_flags])
        levels = [level[np.newaxis] for level in plan.levels]
        warmups = np.array([plan.warmup], dtype=np.int64)
        out, records = (np.empty((1, len(METRICS))), np.empty((1, self.rules.n_blocks, 3))), (trades, curve)
        self.run(sets, levels, warmups, plan.size_is_notional, self.room(), out, records)
        values = dict(zip(METRICS, out[0][0].tolist(), strict=True))
        return values, out[1][0], trades[: int(values["trades"])], curve[start:stop].copy()

    def _account(self, notional: bool) -> Any:
        return self.kernel.Account(*account_values(self.rules, self.bars, notional))


def _symbol_prices(kernel: Any, rows: BarRows) -> Any:
    open_, high, low, close = rows.open[0], rows.high[0], rows.low[0], rows.close[0]
    with np.errstate(over="ignore"):  # a price that single precision cannot hold is looked at more closely
        lowest = np.minimum(low, open_, dtype=np.float32, casting="same_kind")
        highest = np.maximum(high, open_, dtype=np.float32, casting="same_kind")
    return kernel.Prices(open_, high, low, close, lowest, highest)


def _most_trades(plan: SignalRows, n_bars: int) -> int:
    """Return a bound on the positions opened: one a bar that has an entry signal, and never two a bar."""
    entries = int(np.count_nonzero(plan.entries)) + int(np.count_nonzero(plan.short_entries))
    return min(entries, n_bars * len(plan.entries)) + 1
