"""Which bars a search used, month by month, so that the same history is known again when bars have been added.

A month is known by the hash of how its closes moved, bar by bar, to `GRAIN`. So prices that were adjusted anew for a
dividend or a split, those of another unit, bars without volume or stamped at another hour are the same history. A month
of which a search used a part is known by that part: it is another one as soon as the cut lies elsewhere, so in practice
whole months are compared.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.market import Bars
from strategy_optimizer.tasks.division import Window
from strategy_optimizer.validation.ledger.keys import are_in

IntArray = NDArray[np.int32]
HashArray = NDArray[np.uint64]
GRAIN = 1e-4
"""Of the moves that are compared: prices are rounded to about a thousandth of that, adjusted ones too."""
_OFFSET = 0.381966  # of the grains: moves between prices on a grid of ticks lie on no edge of them
SAME_FROM = 0.5
"""Bars are the same as others when at least this share of them lies in months that both have."""


@dataclass(frozen=True, eq=False)
class Months:
    """The calendar months (UTC) of some bars.

    Attributes
    ----------
    numbers : array of int32, shape (m,)
        Months since January 1970, ascending.
    digests : array of uint64, shape (m,)
        The first 64 bits of the sha256 of each month and its moves, see the module.
    bars : array of int32, shape (m,)
        How many bars each has.
    """

    numbers: IntArray
    digests: HashArray
    bars: IntArray

    @property
    def n_bars(self) -> int:
        """Bars of all months."""
        return int(self.bars.sum())

    def shared_with(self, other: Months) -> float:
        """Return the share of these bars that lie in months which `other` has too; 0 without bars.

        >>> years = np.arange(240, dtype=np.int32)
        >>> twenty, one = (Months(m, m.astype(np.uint64), np.ones(len(m), np.int32)) for m in (years, years[:12]))
        >>> twenty.shared_with(one), one.shared_with(twenty)
        (0.05, 1.0)
        """
        if not len(self.bars):
            return 0.0
        return float(self.bars[are_in(self.digests, np.sort(other.digests))].sum()) / self.n_bars

    def mostly_in(self, other: Months) -> bool:
        """Return whether these bars are, for the most part, bars of `other`."""
        return self.shared_with(other) >= SAME_FROM


def unseen_months(digest: str, start: float = 0.0, stop: float = 1.0) -> Months:
    """Return a part of data of which nothing is known but a digest: hundredths of them in the place of months.

    >>> first, later, more = (unseen_months("a", *part) for part in ((0.0, 0.75), (0.75, 1.0), (0.0, 0.8)))
    >>> first.shared_with(later), first.shared_with(more), first.shared_with(unseen_months("b"))
    (0.0, 1.0, 0.0)
    """
    numbers = np.arange(round(100 * start), round(100 * stop), dtype=np.int32)
    hashes = [int(hashlib.sha256(f"{digest} {n}".encode()).hexdigest()[:16], 16) for n in numbers.tolist()]
    return Months(numbers, np.array(hashes, np.uint64), np.ones(len(numbers), np.int32))


def months_of(bars: Bars, window: Window | None) -> Months:
    """Return the months of a window of bars; none without a window."""
    found: list[tuple[int, int, int]] = []
    if window is not None:
        names, moves = _moves(bars)
        for month, rows in bars.month_rows():
            begin, end = max(rows.start, window[0]), min(rows.stop, window[1])
            if begin < end:
                sha = hashlib.sha256(f"{month} {names}".encode() + moves[begin:end].tobytes())
                found.append((_number(month), int(sha.hexdigest()[:16], 16), end - begin))
    numbers, hashes, counts = zip(*found, strict=True) if found else ((), (), ())
    return Months(np.array(numbers, np.int32), np.array(hashes, np.uint64), np.array(counts, np.int32))


def _moves(bars: Bars) -> tuple[list[str], NDArray[np.int64]]:
    """Return the symbols by name, none where there is one, and the grains (n, symbols) that each close moved."""
    closes = bars.close.reshape(bars.n_bars, -1)
    ratios = np.ones(closes.shape)
    ratios[1:] = np.nan_to_num(closes[1:] / closes[:-1], nan=1.0)
    grains = np.floor((ratios - 1.0) / GRAIN + _OFFSET).astype("<i8")
    order = sorted(range(bars.n_symbols), key=lambda k: bars.symbols[k])
    return [bars.symbols[k] for k in order] if bars.n_symbols > 1 else [], grains[:, order]


def _number(month: str) -> int:
    return int(np.datetime64(month, "M").astype(np.int64))
