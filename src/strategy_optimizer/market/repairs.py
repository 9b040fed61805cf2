"""Repairs: each does one thing to a table, only when asked, and says what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from strategy_optimizer.errors import DataError, nearest_name
from strategy_optimizer.market.bars import PRICES, FloatArray
from strategy_optimizer.market.moments import MISSING
from strategy_optimizer.market.report import counted, make_problem
from strategy_optimizer.market.table import Table


def repair_table(table: Table, asked: Sequence[str]) -> Table:
    """Return the table with the repairs asked for, always made in the order of `REPAIRS`."""
    for name, repair in REPAIRS.items():
        if name in asked:
            table = repair(table)
    return table


def parse_repairs(repair: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of repairs in a sequence or in one text with commas.

    >>> parse_repairs("sort, drop_nan")
    ('sort', 'drop_nan')
    """
    asked = repair.split(",") if isinstance(repair, str) else repair
    names = tuple(name.strip() for name in asked if name.strip())
    for name in names:
        if name not in REPAIRS:
            known = ", ".join(REPAIRS)
            raise DataError(f"there is no repair {name!r}{nearest_name(name, REPAIRS)}; known are {known}")
    return names


def _kept(table: Table, keep: npt.NDArray[np.bool_], what: str) -> Table:
    """Return the rows to keep, with a note on the others."""
    if keep.all():
        return table
    note = make_problem(
        "repaired", "note", f"dropped {counted(int((~keep).sum()), 'row')} {what}", table.row_numbers(~keep)
    )
    return table.take(keep).with_notes(note)


def _changed(table: Table, changed: npt.NDArray[np.bool_], what: str, **columns: FloatArray) -> Table:
    if not changed.any():
        return table
    note = make_problem(
        "repaired", "note", f"{what} in {counted(int(changed.sum()), 'row')}", table.row_numbers(changed)
    )
    return replace(table, columns={**table.columns, **columns}).with_notes(note)


def _close_only(table: Table) -> Table:
    """Make open, high and low of the close where the source has none."""
    if "open" in table.columns:
        return table
    columns = {**table.columns, **dict.fromkeys(PRICES, table.columns["close"])}
    note = make_problem("repaired", "note", "open, high and low are made of the close")
    return replace(table, columns=columns).with_notes(note)


def _drop_nan(table: Table) -> Table:
    """Drop rows with an unreadable timestamp or price."""
    keep = table.timestamp != MISSING
    for column in set(table.columns) & set(PRICES):
        keep &= np.isfinite(table.columns[column])
    return _kept(table, keep, "with missing or unreadable values")


def _sort(table: Table) -> Table:
    """Sort by time; rows of one time keep their order."""
    if (np.diff(table.timestamp) >= 0).all():
        return table
    order = np.argsort(table.timestamp, kind="stable")
    moved = table.row_numbers(np.sort(order[order != np.arange(len(order))]))
    return table.take(order).with_notes(make_problem("repaired", "note", "sorted the rows by time", moved))


def _drop_duplicates(table: Table) -> Table:
    """Keep the last row of each timestamp, in their present order."""
    _, from_end = np.unique(table.timestamp[::-1], return_index=True)
    keep = np.zeros(len(table), np.bool_)
    keep[len(table) - 1 - from_end] = True
    return _kept(table, keep, "whose timestamp comes again")


def _drop_nonpositive(table: Table) -> Table:
    """Drop rows with a price of zero or less."""
    bad = np.zeros(len(table), np.bool_)
    for column in set(table.columns) & set(PRICES):
        bad |= table.columns[column] <= 0
    return _kept(table, ~bad, "with prices of zero or less")


def _swap_high_low(table: Table) -> Table:
    """Exchange high and low where high is the lower one."""
    high, low = table.columns["high"], table.columns["low"]
    swapped = {"high": np.fmax(high, low), "low": np.fmin(high, low)}
    return _changed(table, high < low, "swapped high and low", **swapped)


def _widen_high_low(table: Table) -> Table:
    """Move high and low out to the open and the close where those lie outside."""
    o, high, low, close = (table.columns[column] for column in PRICES)
    top, bottom = np.maximum(o, close), np.minimum(o, close)
    outside = (high >= low) & ((top > high) | (bottom < low))
    widened = {"high": np.where(outside, np.maximum(high, top), high)}
    widened["low"] = np.where(outside, np.minimum(low, bottom), low)
    return _changed(table, outside, "widened high and low", **widened)


def _fill_volume(table: Table) -> Table:
    """Make missing and negative volume zero."""
    volume = table.columns["volume"]
    bad = ~np.isfinite(volume) | (volume < 0)
    return _changed(table, bad, "made the volume zero", volume=np.where(bad, 0.0, volume))


# In the order in which they are made; `close_only` must come before whatever looks at high and low.
REPAIRS: dict[str, Callable[[Table], Table]] = {
    "close_only": _close_only,
    "drop_nan": _drop_nan,
    "sort": _sort,
    "drop_duplicates": _drop_duplicates,
    "drop_nonpositive": _drop_nonpositive,
    "fill_volume": _fill_volume,
    "swap_high_low": _swap_high_low,
    "widen_high_low": _widen_high_low,
}
