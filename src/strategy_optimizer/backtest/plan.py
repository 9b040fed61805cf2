"""Turns bars, signals and rules into the arrays that both simulators read.

Inside the engine arrays are (symbols, bars), so that one symbol's prices lie side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.costs import Costs
from strategy_optimizer.backtest.signals import (
    BoolArray,
    FixedNotional,
    FloatArray,
    Signals,
    VolatilityTarget,
    as_flags,
    as_level,
    volatility_sizes,
)
from strategy_optimizer.errors import BacktestError
from strategy_optimizer.market import Bars, load_bars

FILLS = ("next_open", "close")
NO_COSTS = Costs()
LEVELS = ("size", "stop_loss", "take_profit", "trailing_stop")
REENTRIES = ("while_true", "fresh_signal")
NANOSECONDS_A_YEAR = 365.25 * 86_400 * 1e9


@dataclass(frozen=True)
class Rules:
    """How a backtest is run: everything that is neither prices nor signals.

    Parameters
    ----------
    costs : Costs
    cash : float
        Starting cash.
    fill : {"next_open", "close"}
        Whether a decision at bar t fills at the open of t + 1 or at the close of t.
    reentry : {"while_true", "fresh_signal"}
        Whether an entry signal that is still true after a stop or target opens again, or has to go away first.
    window : (start, stop), optional
        Bars to trade on; the run starts flat. Signals may look further back. Default: all bars.
    n_blocks : int
        Parts of the window for the block sums.
    periods_per_year : float, optional
        Overrides what the timestamps say.
    """

    costs: Costs = NO_COSTS
    cash: float = 100_000.0
    fill: str = "next_open"
    reentry: str = "while_true"
    window: tuple[int, int] | None = None
    n_blocks: int = 16
    periods_per_year: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.costs, Costs):
            raise BacktestError(f"costs is {self.costs!r}; expected Costs(commission=..., slippage=...)")
        if self.fill not in FILLS:
            raise BacktestError(f"fill is {self.fill!r}; expected one of {', '.join(FILLS)}")
        if self.reentry not in REENTRIES:
            raise BacktestError(f"reentry is {self.reentry!r}; expected one of {', '.join(REENTRIES)}")
        if not 0 < self.cash < float("inf"):
            raise BacktestError(f"cash is {self.cash!r}; expected a number above 0")
        if self.n_blocks < 1:
            raise BacktestError(f"n_blocks is {self.n_blocks!r}; expected at least 1")

    def window_of(self, bars: Bars) -> tuple[int, int]:
        """Return the window as bar indices, checked against the bars."""
        start, stop = self.window if self.window is not None else (0, bars.n_bars)
        if not 0 <= start < stop <= bars.n_bars:
            raise BacktestError(f"the window {start}:{stop} is empty or outside the {bars.n_bars} bars")
        return start, stop

    def seen_of(self, bars: Bars) -> Bars:
        """Return the bars up to the end of the window: a strategy is given no later ones, such as held-out bars."""
        _, stop = self.window_of(bars)
        return bars if stop == bars.n_bars else bars.slice(0, stop)


class AccountValues(NamedTuple):
    """The scalars that the kernel reads, in its order."""

    cash: float
    commission: float
    fixed_fee: float
    slippage: float
    borrow_per_bar: float
    years: float
    periods_per_year: float
    start: int
    stop: int
    fill_at_close: bool
    fresh_signal: bool
    size_is_notional: bool


def account_values(rules: Rules, bars: Bars, size_is_notional: bool) -> AccountValues:
    """Return the kernel's scalars. One bar has no length in years: its yearly metrics are NaN."""
    start, stop = rules.window_of(bars)
    years = float(bars.timestamp[stop - 1] - bars.timestamp[start]) / NANOSECONDS_A_YEAR
    if rules.periods_per_year is not None:
        years = (stop - start - 1) / rules.periods_per_year
    years = years if years > 0 else float("nan")
    periods = (stop - start - 1) / years
    borrow = rules.costs.borrow / periods if rules.costs.borrow else 0.0
    return AccountValues(
        float(rules.cash),
        float(rules.costs.commission),
        float(rules.costs.fixed_fee),
        float(rules.costs.slippage),
        borrow,
        years,
        periods,
        start,
        stop,
        rules.fill == "close",
        rules.reentry == "fresh_signal",
        size_is_notional,
    )


def as_bars(bars: Any) -> Bars:
    """Return `bars`, loaded first when they are a name, a file, a frame or a dict of arrays."""
    return bars if isinstance(bars, Bars) else load_bars(bars)


class BarRows(NamedTuple):
    """The prices as (symbols, bars)."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray


def bar_rows(bars: Bars) -> BarRows:
    """Return the prices as contiguous (symbols, bars) arrays; one symbol is not copied."""
    arrays = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    return BarRows(*(_rows(array) for array in arrays))


def _rows(array: NDArray[Any]) -> NDArray[Any]:
    return array[np.newaxis] if array.ndim == 1 else np.ascontiguousarray(array.T)


class SignalRows(NamedTuple):
    """The signals of one candidate as (symbols, bars); order values (symbols, 1) or (symbols, bars).

    Short signals are (symbols, 1) where there are none at all.
    """

    entries: BoolArray
    exits: BoolArray
    short_entries: BoolArray
    short_exits: BoolArray
    size: FloatArray
    stop: FloatArray
    target: FloatArray
    trail: FloatArray
    warmup: int = 0
    size_is_notional: bool = False

    @property
    def has_short(self) -> bool:
        """Whether there are short signals."""
        return self.short_entries.shape == self.entries.shape

    @property
    def flags(self) -> tuple[BoolArray, BoolArray, BoolArray, BoolArray]:
        """The signals in the kernel's order."""
        return self.entries, self.exits, self.short_entries, self.short_exits

    @property
    def given_flags(self) -> tuple[BoolArray, ...]:
        """The signals without those of shorts where there are none."""
        return self[:4] if self.has_short else self[:2]

    @property
    def form(self) -> tuple[object, ...]:
        """What candidates that are simulated together have in common."""
        size, stop, target, trail = self.levels
        return self.size_is_notional, self.has_short, size.shape, stop.shape, target.shape, trail.shape

    @property
    def levels(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The order values in the kernel's order."""
        return self[4:8]


def signal_rows(signals: Any, bars: Bars, warmup: Any = 0) -> SignalRows:
    """Check a strategy's signals against the bars and bring them into the engine's form."""
    if not isinstance(signals, Signals):
        raise BacktestError(
            f"signals() returned a {type(signals).__name__}; expected Signals(entries, exits, ...)"
        )
    if not isinstance(warmup, (int, float, np.number)) or not math.isfinite(warmup):
        raise BacktestError(f"warmup() returned {warmup!r}; expected a number of bars")
    shape = bars.close.shape
    entries = _rows(as_flags(signals.entries, shape, "entries"))
    exits = _rows(as_flags(signals.exits, shape, "exits"))
    short_entries = short_exits = np.zeros((len(entries), 1), np.bool_)
    if signals.short_entries is not None:
        short_entries = _rows(as_flags(signals.short_entries, shape, "short_entries"))
        short_exits = np.zeros_like(short_entries)
        if signals.short_exits is not None:
            short_exits = _rows(as_flags(signals.short_exits, shape, "short_exits"))
    size, is_notional = _size_values(signals, bars)
    values = (size, signals.stop_loss, signals.take_profit, signals.trailing_stop)
    size_rows, stop, target, trail = _level_rows(values, shape, len(entries))
    flags = entries, exits, short_entries, short_exits
    return SignalRows(*flags, size_rows, stop, target, trail, max(0, int(warmup)), is_notional)


def _size_values(signals: Signals, bars: Bars) -> tuple[Any, bool]:
    if isinstance(signals.size, FixedNotional):
        return signals.size.cash, True
    if isinstance(signals.size, VolatilityTarget):
        return volatility_sizes(signals.size, bars.close, bars.periods_per_year), False
    return signals.size, False


def _level_rows(values: Sequence[Any], shape: tuple[int, ...], n_symbols: int) -> list[FloatArray]:
    """Return the four order values as (symbols, 1), or (symbols, bars) where they change."""
    if {type(value) for value in values} <= {float, type(None)}:  # most strategies: spare them 15 us
        numbers = np.array([math.nan if value is None else value for value in values])
        _check_levels(numbers)
        size, stop, target, trail = numbers.repeat(n_symbols).reshape(4, n_symbols, 1)
        return [size, stop, target, trail]
    levels = [as_level(value, shape, name) for name, value in zip(LEVELS, values, strict=True)]
    _check_levels(levels)
    return [
        np.full((n_symbols, 1), level[0]) if level.shape == (1,) else np.asarray(_rows(level))
        for level in levels
    ]


def _check_levels(levels: Sequence[FloatArray] | FloatArray) -> None:
    """Refuse what `wrong_order_value` refuses in compiled strategies."""
    size, *others = levels
    wrong = [bool((size < 0).any()), *(bool((level <= 0).any()) for level in others)]
    if any(wrong):
        raise BacktestError(wrong_level(wrong.index(True)))


def wrong_level(field: int) -> str:
    """Return what is wrong with one of the order values, by its place in `LEVELS`."""
    if LEVELS[field] == "size":
        return "size is negative; expected a fraction of equity from 0 up (shorts have entries of their own)"
    return (
        f"{LEVELS[field]} is not above 0; expected a fraction of the fill price such as 0.05, or none: None, or NaN "
        "where it is one a bar"
    )


def level_masks(levels: Sequence[FloatArray]) -> tuple[int, ...]:
    """Return -1 for order values with one entry a bar, 0 for those with one entry for all bars."""
    return tuple(-1 if level.shape[-1] > 1 else 0 for level in levels)
