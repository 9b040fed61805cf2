"""What a strategy says: when to enter and leave, how large, and with which protective levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import BacktestError

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class FixedNotional:
    """A position size in cash: each position is opened for `cash`, or for what the account affords."""

    cash: float


@dataclass(frozen=True)
class VolatilityTarget:
    """A position size that aims at a yearly volatility.

    The fraction of equity is ``volatility / realised``, at most 1, where `realised` is the yearly standard
    deviation (ddof 1) of the last `window` close-to-close returns known at the decision. No position is opened
    while fewer returns are known.
    """

    volatility: float
    window: int = 20


Size = float | FloatArray | FixedNotional | VolatilityTarget
Level = float | FloatArray | None


@dataclass(frozen=True)
class Signals:
    """The signals of a strategy on some bars.

    Execution timing: the values at bar t may use bars up to and including t. They fill at the open of t + 1
    (``fill="next_open"``) or at the close of t (``fill="close"``).

    Parameters
    ----------
    entries, exits : array of bool, shape (bars,) or (bars, symbols)
        When to open and to close a long position.
    short_entries, short_exits : array of bool, optional
        The same for short positions.
    size : float, array, FixedNotional or VolatilityTarget
        Fraction of equity (1.0 buys what cash affords after costs), for all bars or at each bar.
    stop_loss, take_profit, trailing_stop : float or array, optional
        Fractions of the fill price (of the highest high since, for the trailing stop). An array is read at the
        bar of the decision; NaN there means none.
    """

    entries: BoolArray
    exits: BoolArray
    short_entries: BoolArray | None = None
    short_exits: BoolArray | None = None
    size: Size = 1.0
    stop_loss: Level = None
    take_profit: Level = None
    trailing_stop: Level = None


def as_flags(values: Any, shape: tuple[int, ...], name: str) -> BoolArray:
    """Return `values` as a boolean array of `shape` or raise a `BacktestError` that names the signal."""
    array = np.asarray(values)
    if array.shape != shape:
        raise BacktestError(f"{name} has the shape {array.shape}; expected {shape}, one value a bar")
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind in "iu" and bool(np.isin(array, (0, 1)).all()):
        return array.astype(np.bool_)
    if array.dtype.kind == "f" and np.isnan(array).any():
        first = np.argwhere(np.isnan(array))[0].tolist()
        raise BacktestError(
            f"{name} is NaN at bar {first[0]}; expected True or False (compare, do not multiply)"
        )
    if array.dtype.kind == "f" and bool(np.isin(array, (0.0, 1.0)).all()):
        return array.astype(np.bool_)
    raise BacktestError(f"{name} has the type {array.dtype}; expected booleans, one a bar")


def as_level(values: Any, shape: tuple[int, ...], name: str) -> FloatArray:
    """Return an order value as float64: shape (1,) when it holds for all bars, else `shape`."""
    if values is None:
        return np.array([np.nan])
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise BacktestError(f"{name} is {values!r}; expected a fraction such as 0.05, or one a bar") from None
    if array.ndim == 0:
        return array.reshape(1)
    if array.shape != shape:
        raise BacktestError(f"{name} has the shape {array.shape}; expected one number, or the shape {shape}")
    return array


def volatility_sizes(target: VolatilityTarget, close: FloatArray, periods_per_year: float) -> FloatArray:
    """Return the fraction of equity at each bar, (bars,) or (bars, symbols); NaN while too few returns are known."""
    if target.volatility <= 0 or target.window < 2:
        raise BacktestError(f"{target!r}: expected a volatility above 0 and a window of at least 2 returns")
    sizes = np.full(close.shape, np.nan)
    if len(close) > target.window:
        returns = close[1:] / close[:-1] - 1.0
        windows = np.lib.stride_tricks.sliding_window_view(returns, target.window, axis=0)
        realised = windows.std(axis=-1, ddof=1) * np.sqrt(periods_per_year)
        with np.errstate(divide="ignore"):
            sizes[target.window :] = np.minimum(1.0, target.volatility / realised)
    return sizes
