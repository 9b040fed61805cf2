"""A table: the rows of one symbol as they were read, before checks and repairs, with their row numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from strategy_optimizer.market.bars import COLUMNS, Bars, FloatArray, IntArray
from strategy_optimizer.market.report import Problem

Texts = Callable[[str, IntArray], list[str]]


def _no_texts(column: str, rows: IntArray) -> list[str]:
    return []


@dataclass(frozen=True)
class Table:
    """Rows of one symbol.

    Attributes
    ----------
    symbol : str
    timestamp : (n,) int64
        UTC nanoseconds; the smallest integer where it could not be read.
    columns : mapping of str to (n,) float64
        open, high, low, close, volume; NaN where a value is missing or not a number. Without open, high and
        low when the source has closes only.
    rows : (n,) int64, optional
        The user's row numbers, counted from 1; None means 1 to n.
    notes : tuple of Problem
        What reading and repairing had to say.
    texts : callable
        ``texts(column, rows)``: what stands in the source where no number could be read.
    owned : bool
        Whether nobody else can change the arrays, so that bars may keep them.
    """

    symbol: str
    timestamp: IntArray
    columns: Mapping[str, FloatArray]
    rows: IntArray | None = None
    notes: tuple[Problem, ...] = ()
    texts: Texts = _no_texts
    owned: bool = False

    def __len__(self) -> int:
        return len(self.timestamp)

    def row_numbers(self, where: npt.NDArray[np.bool_] | IntArray) -> IntArray:
        """Return the user's row numbers of a mask or of indices."""
        index = indices(where)
        return index + 1 if self.rows is None else self.rows[index]

    def take(self, where: npt.NDArray[np.bool_] | IntArray) -> Table:
        """Return the rows of a mask or of indices; they keep their numbers."""
        if where.dtype == np.bool_ and where.all():
            return self
        index = indices(where)
        columns = {column: values[index] for column, values in self.columns.items()}
        return replace(self, timestamp=self.timestamp[index], columns=columns, rows=self.row_numbers(index))

    def with_notes(self, *notes: Problem) -> Table:
        """Return the table with more notes."""
        return replace(self, notes=(*self.notes, *notes))


def indices(where: npt.NDArray[np.bool_] | IntArray) -> IntArray:
    """Return the indices that a mask selects, or the indices themselves."""
    return np.flatnonzero(where) if where.dtype == np.bool_ else where.astype(np.int64, copy=False)


def tables_of(bars: Bars) -> list[Table]:
    """Return one table for each symbol of some bars."""
    whole = {column: getattr(bars, column).reshape(bars.n_bars, bars.n_symbols) for column in COLUMNS}
    return [
        Table(symbol, bars.timestamp, {c: np.ascontiguousarray(whole[c][:, i]) for c in COLUMNS})
        for i, symbol in enumerate(bars.symbols)
    ]
