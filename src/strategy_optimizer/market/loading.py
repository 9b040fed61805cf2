"""Loading: from any source to checked bars, or to one error that lists all that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from strategy_optimizer.errors import DataError
from strategy_optimizer.market.alignment import Aligned, align
from strategy_optimizer.market.bars import COLUMNS, Bars
from strategy_optimizer.market.calendars import Calendar
from strategy_optimizer.market.moments import MISSING, Moment, moment_text, parse_moment, period_text
from strategy_optimizer.market.quality import check_table
from strategy_optimizer.market.reading import Columns, read_tables
from strategy_optimizer.market.repairs import parse_repairs, repair_table
from strategy_optimizer.market.report import DataReport, Problem, make_problem, ordered
from strategy_optimizer.market.table import Table


def load_bars(
    source: Any,
    *,
    name: str | None = None,
    columns: Columns | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    repair: str | Sequence[str] = (),
) -> Bars:
    """Return checked bars.

    Parameters
    ----------
    source : str, path, frame, dict, array or Bars
        A sample (``"nasdaq"``, ``"sp500"``); the path of a CSV (also gzipped) or Parquet file, or of a folder
        of them, one symbol each; a pandas or Polars frame; a dict of arrays (open, high, low, close, volume,
        timestamp) or a structured array; a dict of name to source for several symbols; ``"yfinance:AAPL"``
        and ``"ccxt:binance:BTC/USDT:1h"`` with the extras of these names. A table with a symbol column holds
        several symbols.
    name : str, optional
        What the data are called; a file's name without its ending by default.
    columns : mapping of role to column, optional
        For columns whose names cannot be guessed: ``{"close": "Px Last"}``. For timestamps also
        ``("Date", "%d/%m/%Y")`` or ``("t", "ms")``; None leaves a column out.
    start, end : str, date, datetime or numpy.datetime64, optional
        The period wanted, both inclusive; rows outside are not checked.
    repair : str or sequence of str
        What may be mended: ``close_only, drop_nan, sort, drop_duplicates, drop_nonpositive, fill_volume,
        swap_high_low, widen_high_low``. Nothing else is ever changed.

    Returns
    -------
    Bars
        Several symbols are cut to the timestamps that all of them have. ``bars.report`` holds warnings and
        notes.

    Raises
    ------
    DataError
        One error that lists all problems, with the first row numbers in the text and in ``.rows``. Rows are
        counted from 1 at the first row of data; a header line does not count.

    Examples
    --------
    >>> bars = load_bars("nasdaq", start="2010", end="2012")
    >>> bars
    <Bars nasdaq: 754 bars of 1 day, 2010-01-04 to 2012-12-31>
    >>> load_bars({"timestamp": ["2020-01-01", "2020-01-02"], "open": [1, 2], "high": [1, 2],
    ...            "low": [1, 3], "close": [1, 2]})
    Traceback (most recent call last):
    ...
    strategy_optimizer.errors.DataError: data cannot be used as it is, 1 problem in 2 rows:
      - high_below_low: high is below low; --repair swap_high_low (Python: repair="swap_high_low") swaps the two (row 2)
    (rows are counted from 1 at the first row of data; a header line does not count)
    """
    if isinstance(source, Bars) and source.report and not (columns or start or end or repair):
        return source if name is None else replace(source, name=name)
    report, aligned = _examine(source, name, columns, start, end, parse_repairs(repair))
    report.raise_errors()
    assert aligned is not None  # no errors
    return _bars(aligned, report)


def check_bars(
    source: Any,
    *,
    name: str | None = None,
    columns: Columns | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    repair: str | Sequence[str] = (),
) -> DataReport:
    """Return what the checks find in bars, or in anything that `load_bars` takes, without refusing it.

    Raises
    ------
    DataError
        Only when the source cannot be read at all: no such file, unclear columns, unknown timestamps.

    Examples
    --------
    >>> report = check_bars("sp500")
    >>> report.ok, [problem.kind for problem in report.problems]
    (True, ['stale_open', 'holidays'])
    >>> report.warnings[0].details[0]
    '1999-2005: 97% to 100%'
    """
    if isinstance(source, Bars) and source.report and not (columns or start or end or repair):
        return source.report
    return _examine(source, name, columns, start, end, parse_repairs(repair))[0]


def _examine(
    source: Any,
    name: str | None,
    columns: Columns | None,
    start: Moment | None,
    end: Moment | None,
    repairs: tuple[str, ...],
) -> tuple[DataReport, Aligned | None]:
    """Return the report, and the aligned rows when it has no error."""
    label, tables = read_tables(source, columns, name)
    n_rows = sum(len(table) for table in tables)
    tables = [repair_table(_cut(table, start, end), repairs) for table in tables]
    problems, calendars = _check_all(tables)
    aligned = None
    if not any(problem.severity == "error" for problem in problems):
        aligned, more = align(tables)
        problems += more
    return _report(label, tables, problems, calendars, n_rows, aligned), aligned


def _cut(table: Table, start: Moment | None, end: Moment | None) -> Table:
    """Return the rows of a period; those without a readable time stay, to be reported."""
    if start is None and end is None:
        return table
    first = MISSING if start is None else parse_moment(start)
    last = np.iinfo(np.int64).max if end is None else parse_moment(end, edge="end")
    known = table.timestamp[table.timestamp != MISSING]
    kept = table.take((table.timestamp == MISSING) | ((table.timestamp >= first) & (table.timestamp <= last)))
    if len(known) and not len(kept):
        extent = f"{moment_text(int(known.min()))} to {moment_text(int(known.max()))}"
        raise DataError(f"no rows of {table.symbol} {period_text(start, end)}; it has {extent}")
    return kept


def _check_all(tables: Sequence[Table]) -> tuple[list[Problem], list[Calendar]]:
    problems: list[Problem] = []
    calendars = []
    for table in tables:
        found, calendar = check_table(table)
        calendars.append(calendar)
        symbol = table.symbol if len(tables) > 1 else ""
        problems += [replace(problem, symbol=symbol) for problem in (*found, *table.notes)]
    return problems + _repeated_names(tables), calendars


def _repeated_names(tables: Sequence[Table]) -> list[Problem]:
    names = [table.symbol for table in tables]
    repeated = sorted({name for name in names if names.count(name) > 1})
    return (
        [make_problem("symbols", "error", f"symbols come twice: {', '.join(repeated)}")] if repeated else []
    )


def _report(
    label: str,
    tables: Sequence[Table],
    problems: Sequence[Problem],
    calendars: Sequence[Calendar],
    n_rows: int,
    aligned: Aligned | None,
) -> DataReport:
    times = (
        aligned.timestamp if aligned is not None else np.concatenate([table.timestamp for table in tables])
    )
    times = times[times != MISSING]
    texts = dict.fromkeys(calendar.text for calendar in calendars)
    return DataReport(
        name=label,
        problems=ordered(problems),
        n_rows=n_rows,
        n_bars=len(times) if aligned is not None else max(len(table) for table in tables),
        symbols=tuple(table.symbol for table in tables),
        first=moment_text(int(times.min())) if len(times) else "",
        last=moment_text(int(times.max())) if len(times) else "",
        calendar="; ".join(texts),
    )


def _bars(aligned: Aligned, report: DataReport) -> Bars:
    arrays = {column: aligned.columns[column] for column in COLUMNS}
    for array in (aligned.timestamp, *arrays.values()):
        array.flags.writeable = False
    return Bars(
        **arrays, timestamp=aligned.timestamp, symbols=report.symbols, name=report.name, report=report
    )
