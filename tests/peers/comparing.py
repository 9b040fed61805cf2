"""What the comparisons share: random signals, momentum signals, and the comparison of trades."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Case:
    """Signals and levels of one backtest."""

    entries: np.ndarray
    exits: np.ndarray
    short_entries: np.ndarray
    short_exits: np.ndarray
    size: float = 1.0
    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop: float | None = None

    @property
    def flags(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return self.entries, self.exits, self.short_entries, self.short_exits

    @property
    def orders(self) -> dict[str, float | None]:
        names = ("size", "stop_loss", "take_profit", "trailing_stop")
        return {name: getattr(self, name) for name in names}

    def without_entries(self, bars) -> Case:
        """Return the same case with no entry signal at some bars (indices or a mask)."""
        entries, short_entries = self.entries.copy(), self.short_entries.copy()
        entries[bars] = False
        short_entries[bars] = False
        return replace(self, entries=entries, short_entries=short_entries)


@dataclass(frozen=True)
class PeerTrade:
    """A trade of another engine in our words; `exit_bar` and `exit_price` are None while it is open."""

    entry_bar: int
    exit_bar: int | None
    entry_price: float
    exit_price: float | None
    size: float
    side: str
    pnl: float


def momentum_cases(bars, n, seed, **fixed):
    """Return `n` random parameter sets of the momentum strategy as signals."""
    rng = np.random.default_rng(seed)
    return [_momentum_case(bars, rng, fixed) for _ in range(n)]


def _momentum_case(bars, rng, fixed):
    lookback = int(rng.integers(10, 101))
    rise = np.full(bars.n_bars, np.nan)
    rise[lookback:] = bars.close[lookback:] / bars.close[:-lookback] - 1.0
    threshold = rng.uniform(0.0, 1.0) * np.nanstd(rise)
    none = np.zeros(bars.n_bars, dtype=bool)
    return Case(rise > threshold, rise < 0.0, none, none, **_drawn(rng, fixed))


def random_cases(bars, n, seed, density=0.05, short=True, **fixed):
    """Return `n` cases of independent random signals, long and short."""
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(n):
        flags = rng.random((4, bars.n_bars)) < density
        if not short:
            flags[2:] = False
        cases.append(Case(*flags, **_drawn(rng, fixed)))
    return cases


def _drawn(rng, fixed):
    """Draw a number for each order value that is given as a range (low, high)."""
    return {name: float(rng.uniform(*v)) if isinstance(v, tuple) else v for name, v in fixed.items()}


def opened_beyond_target_and_fell(bars, case, result):
    """Return the trades that ended at an open beyond the target on a bar that later reached the stop.

    The open comes first, so the target is right; vectorbt and backtesting.py look at the stop first.
    """
    return [
        t for t in result.trades if t.exit_reason == "take_profit" and _opened_beyond_and_fell(bars, case, t)
    ]


def _opened_beyond_and_fell(bars, case, trade):
    side = 1 if trade.side == "long" else -1
    adverse, favourable = (bars.low, bars.high) if side == 1 else (bars.high, bars.low)
    before = favourable[trade.entry_bar : trade.exit_bar] * side
    extreme = max(before.max(initial=-np.inf), trade.entry_price * side) * side
    stops = [(trade.entry_price, case.stop_loss), (extreme, case.trailing_stop)]
    stop = max((side * x * (1 - side * level) for x, level in stops if level is not None), default=-np.inf)
    return trade.exit_price == bars.open[trade.exit_bar] and side * adverse[trade.exit_bar] <= stop


def assert_same_trades(ours, theirs, *, prices=1e-12, sizes=1e-9):
    """Compare trade by trade: bars and sides exactly, prices and sizes relative to the tolerances.

    The pnl is compared as a fraction of the notional, to ten times the tolerance of the sizes.
    """
    assert [(t.side, t.entry_bar, t.exit_bar) for t in ours] == [
        (t.side, t.entry_bar, t.exit_bar) for t in theirs
    ]
    for name, tolerance in (("entry_price", prices), ("exit_price", prices), ("size", sizes)):
        np.testing.assert_allclose(_column(ours, name), _column(theirs, name), rtol=tolerance, err_msg=name)
    notional = _column(ours, "entry_price") * _column(ours, "size")
    pnl = [_column(trades, "pnl") / notional for trades in (ours, theirs)]
    np.testing.assert_allclose(*pnl, rtol=0, atol=10 * sizes, err_msg="pnl")


def _column(trades, name):
    return np.array([np.nan if getattr(t, name) is None else getattr(t, name) for t in trades])
