"""Alignment of several symbols: only the timestamps that all of them have stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from strategy_optimizer.market.bars import COLUMNS, FloatArray, IntArray
from strategy_optimizer.market.moments import moment_text
from strategy_optimizer.market.report import Problem, Severity, counted, make_problem
from strategy_optimizer.market.table import Table

DROPPED_SHARE = 0.05  # dropping more of a symbol than this is a warning


@dataclass(frozen=True)
class Aligned:
    """Arrays of bars: timestamps (n,), columns (n,) or (n, n_symbols)."""

    timestamp: IntArray
    columns: Mapping[str, FloatArray]


def align(tables: Sequence[Table]) -> tuple[Aligned | None, list[Problem]]:
    """Return the rows that all tables have, and what was dropped; None when next to nothing is common.

    The tables have no errors: their timestamps increase strictly.
    """
    if len(tables) == 1:
        return _own(tables[0]), []
    common = reduce(_intersection, (table.timestamp for table in tables))
    if len(common) < 2:
        return None, [_nothing_common(tables, len(common))]
    kept = [np.searchsorted(table.timestamp, common) for table in tables]
    columns: dict[str, FloatArray] = {
        column: np.stack(
            [table.columns[column][rows] for table, rows in zip(tables, kept, strict=True)], axis=1
        )
        + 0.0
        for column in COLUMNS
    }
    return Aligned(common, columns), [problem for table in tables for problem in _dropped(table, common)]


def _own(table: Table) -> Aligned:
    """Return arrays that nobody else can change: a caller may do to his own what he likes."""
    timestamp = table.timestamp if table.owned else table.timestamp.copy()
    columns = {column: values if table.owned else values.copy() for column, values in table.columns.items()}
    # a volume of -0.0 is the same data as zero and must have the same digest
    return Aligned(timestamp, {**columns, "volume": columns["volume"] + 0.0})


def _intersection(left: IntArray, right: IntArray) -> IntArray:
    return np.intersect1d(left, right, assume_unique=True)


def _dropped(table: Table, common: IntArray) -> list[Problem]:
    gone = ~np.isin(table.timestamp, common, assume_unique=True)
    if not gone.any():
        return []
    share = float(gone.mean())
    severity: Severity = "warning" if share > DROPPED_SHARE else "note"
    text = (
        f"{counted(int(gone.sum()), 'row')} left out ({share:.1%}): not every symbol has a bar at these times"
    )
    return [replace(make_problem("aligned", severity, text, table.row_numbers(gone)), symbol=table.symbol)]


def _nothing_common(tables: Sequence[Table], n_common: int) -> Problem:
    found = ", ".join(
        f"{t.symbol} {moment_text(int(t.timestamp[0]))} to {moment_text(int(t.timestamp[-1]))}"
        for t in tables[:4]
    )
    text = f"the symbols have {n_common} timestamps in common ({found}), needed are at least 2"
    return make_problem(
        "no_common_times", "error", f"{text}; are they stamped at different hours or in different zones?"
    )
