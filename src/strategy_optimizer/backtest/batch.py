"""Collects the signals of candidates, to be simulated together."""

from __future__ import annotations

import numpy as np

from strategy_optimizer.backtest.plan import SignalRows

# A batch is large, since threads hand over Python's lock at its ends, and bounded, since bars may be millions.
MOST_CANDIDATES = 256
MOST_BYTES = 4 * 2**20


class SignalBatch:
    """Signals of candidates that all have the form of `first`; it takes `n` of them.

    Attributes
    ----------
    flags : list of arrays of bool, shape (n, symbols, bars)
        Entries, exits and, where there are any, those of shorts.
    levels : list of four arrays, shape (n, symbols, 1 or bars)
        Size, stop, target, trailing stop.
    warmups : array of int64, shape (n,)
    rows : list of int
        The candidates' numbers, in the order in which they were added.
    """

    def __init__(self, first: SignalRows) -> None:
        self.form = first.form
        self.size_is_notional = first.size_is_notional
        each = sum(array.nbytes for array in first.given_flags + first.levels)
        self.n = n = max(1, min(MOST_CANDIDATES, MOST_BYTES // each))
        self.rows: list[int] = []
        self.flags = [np.empty((n, *flags.shape), np.bool_) for flags in first.given_flags]
        self.levels = [np.empty((n, *level.shape)) for level in first.levels]
        self.warmups = np.empty(n, np.int64)
        self._arrays = [*self.flags, *self.levels]

    def takes(self, plan: SignalRows) -> bool:
        """Return whether there is room and the plan has the same form."""
        return len(self.rows) < self.n and self.form == plan.form

    def add(self, row: int, plan: SignalRows) -> None:
        """Add the signals of one candidate."""
        i = len(self.rows)
        self.rows.append(row)
        for place, values in zip(self._arrays, plan.given_flags + plan.levels, strict=True):
            place[i] = values
        self.warmups[i] = plan.warmup
