"""Bars with other values on the same timestamps; for the look-ahead check the same up to a point."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.market import Bars

PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume")
GUARD = 32  # rows of NaN on each side of the bars


def guarded(bars: Bars, n_bars: int) -> Bars:
    """Return a copy of the first `n_bars` with NaN in memory before and behind them.

    In a slice the true next bars stand behind the end, where compiled code could read them.
    """
    copies = {}
    for name in COLUMNS:
        values = getattr(bars, name)[:n_bars]
        room = np.full((n_bars + 2 * GUARD, *values.shape[1:]), np.nan)
        copies[name] = room[GUARD : GUARD + n_bars]
        copies[name][:] = values
        copies[name].flags.writeable = False  # else Bars would copy it out of its guard
    return with_columns(bars, copies)


def with_other_future(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Return bars that are the same before `cut` and a wild random walk from there on, far up or far down."""
    steps = rng.normal(0, 0.03, (bars.n_bars - cut, *bars.close.shape[1:]))
    # One factor a bar for the four prices of the last kept bar keeps low <= open, close <= high.
    scale = rng.choice([0.4, 2.5]) * np.exp(np.cumsum(steps, axis=0))
    columns = {name: getattr(bars, name).copy() for name in COLUMNS}
    for name in PRICES:
        columns[name][cut:] = columns[name][cut - 1] * scale
    columns["volume"][cut:] = rng.permutation(columns["volume"][cut:])
    return with_columns(bars, columns)


def with_columns(bars: Bars, columns: Mapping[str, NDArray[np.float64]]) -> Bars:
    """Return bars with the given columns on the first timestamps of `bars`, with as many bars a year."""
    n = len(columns["close"])
    altered = Bars(timestamp=bars.timestamp[:n], symbols=bars.symbols, name=bars.name, **dict(columns))  # type: ignore[arg-type]
    # How many bars a year has is a fact of the calendar, not of the prices to come.
    altered.__dict__["periods_per_year"] = bars.periods_per_year
    return altered
