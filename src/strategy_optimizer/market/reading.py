"""Reading: anything a caller calls market data, as one table of rows for each symbol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from strategy_optimizer.errors import DataError, nearest_name
from strategy_optimizer.market.advice import ColumnChoice
from strategy_optimizer.market.bars import COLUMNS, Bars, IntArray
from strategy_optimizer.market.columns import ColumnMap, map_columns, normalised
from strategy_optimizer.market.files import SUFFIXES, has_known_suffix, open_file
from strategy_optimizer.market.moments import DAY, MISSING, moment_text
from strategy_optimizer.market.remote import download, is_remote
from strategy_optimizer.market.report import Problem, make_problem
from strategy_optimizer.market.samples import SAMPLES, read_sample
from strategy_optimizer.market.sources import (
    ArraySource,
    PandasSource,
    PolarsSource,
    Source,
    is_pandas,
    is_polars,
)
from strategy_optimizer.market.table import Table, tables_of
from strategy_optimizer.market.time_texts import with_clock
from strategy_optimizer.market.timestamps import to_nanoseconds

Columns = Mapping[str, ColumnChoice]
_EXPECTED = (
    "expected a sample's name, the path of a CSV or Parquet file or of a folder of them, a pandas or Polars "
    "frame, a dict of arrays (open, high, low, close, volume, timestamp), a structured array, or a dict of "
    "name to source"
)


def read_tables(
    source: Any, columns: Columns | None = None, name: str | None = None
) -> tuple[str, list[Table]]:
    """Return the data's name and one table for each symbol.

    Raises
    ------
    DataError
        When the source is of no known kind, or its columns or timestamps cannot be understood.
    """
    if isinstance(source, Bars):
        return name or source.name, tables_of(source)
    if isinstance(source, str | Path):
        return _read_place(source, columns, name)
    if isinstance(source, Mapping) and not _is_table(source):
        return name or "data", _read_several(source, columns)
    if is_pandas(source, "DataFrame") and source.columns.nlevels == 2:
        return name or "data", _read_several(_frames_by_symbol(source), columns)
    return name or "data", read_source(_memory_source(source), columns, name or "data")


def _read_place(source: str | Path, columns: Columns | None, name: str | None) -> tuple[str, list[Table]]:
    text = str(source)
    if not source:  # Path("") is the folder that the program happens to run in
        raise DataError(
            f"the name of the data is empty; expected a sample ({', '.join(SAMPLES)}), a file or a folder"
        )
    if text in SAMPLES:
        return name or text, [read_sample(text)]
    if is_remote(text):
        file = download(text)
        _, tables = _read_file(file, columns, text)
        day = moment_text(int(file.stat().st_mtime) // 86_400 * DAY)
        note = make_problem("downloaded", "note", f"downloaded from {text.partition(':')[0]} on {day}")
        return name or text, [table.with_notes(note) for table in tables]
    path = Path(source)
    if path.is_dir():
        return name or source_name(path), _read_several(_files_in(path), columns)
    if not path.exists():
        known = ", ".join(SAMPLES)
        raise DataError(
            f"there is no sample and no file {text!r}{nearest_name(text, SAMPLES)}; samples are {known}"
        )
    return _read_file(path, columns, name)


def _read_file(path: Path, columns: Columns | None, name: str | None) -> tuple[str, list[Table]]:
    label, source = name or source_name(path), open_file(path)
    return label, _read_several(source.parts, columns) if source.parts else read_source(
        source, columns, label
    )


def source_name(source: str | Path) -> str:
    """Return what data are called unless a name is given: a file without its ending, else what the source says.

    >>> source_name("data/BRK.B.csv.gz"), source_name("ccxt:binance:BTC/USDT")
    ('BRK.B', 'ccxt:binance:BTC/USDT')
    """
    text, path = str(source), Path(source)
    if text in SAMPLES or is_remote(text):
        return text
    if path.is_dir():
        return path.resolve().name
    ending = max((end for end in SUFFIXES if path.name.lower().endswith(end)), key=len, default="")
    return path.name[: len(path.name) - len(ending)] or path.name


def _files_in(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in filter(has_known_suffix, sorted(folder.iterdir())):
        other = files.setdefault(source_name(path), path)
        if other != path:
            raise DataError(f"the folder {folder} has two files of one symbol, {other.name} and {path.name}")
    if not files:
        raise DataError(f"the folder {folder} has no files that end with {', '.join(SUFFIXES)}")
    return files


def _read_several(sources: Mapping[Any, Any], columns: Columns | None) -> list[Table]:
    if not sources:
        raise DataError(f"an empty dict is no market data; {_EXPECTED}")
    return [_read_one(str(symbol), source, columns) for symbol, source in sources.items()]


def _read_one(symbol: str, source: Any, columns: Columns | None) -> Table:
    try:
        _, tables = read_tables(source, columns, symbol)
    except DataError as error:
        raise DataError(f"{symbol}: {error}", rows=error.rows) from error
    if len(tables) > 1:
        found = ", ".join(table.symbol for table in tables)
        raise DataError(f"{symbol} holds several symbols itself ({found}); expected one for each name")
    return replace(tables[0], symbol=symbol)


def _is_table(source: Mapping[Any, Any]) -> bool:
    """Whether a dict is one table of columns, not several tables by symbol."""
    shapes = [np.ndim(value) if isinstance(value, np.ndarray) else _depth(value) for value in source.values()]
    return bool(shapes) and all(depth == 1 for depth in shapes)


def _depth(value: Any) -> int:
    if is_pandas(value, "DataFrame") or is_polars(value, "DataFrame") or isinstance(value, Mapping | Bars):
        return 2
    return 1 if hasattr(value, "__len__") and not isinstance(value, str | Path) else 0


def _frames_by_symbol(frame: Any) -> dict[str, Source]:
    """Split a frame with two column levels (field and ticker, in either order)."""
    levels = [{normalised(str(value)) for value in frame.columns.get_level_values(i)} for i in (0, 1)]
    fields = next((i for i in (0, 1) if "close" in levels[i]), None)
    if fields is None:
        raise DataError("a frame with two column levels needs open, high, low, close in one of them")
    tickers = frame.columns.get_level_values(1 - fields)
    parts = {str(ticker): frame.xs(ticker, axis=1, level=1 - fields) for ticker in dict.fromkeys(tickers)}
    return {ticker: PandasSource(part, "the frame", joined=True) for ticker, part in parts.items()}


def _memory_source(source: Any) -> Source:
    if isinstance(source, Source):
        return source
    if is_pandas(source, "Series"):
        source = source.to_frame(source.name or "close")
    if is_pandas(source, "DataFrame"):
        return PandasSource(source, "the frame")
    if is_polars(source, "LazyFrame"):
        source = source.collect()
    if is_polars(source, "DataFrame"):
        return PolarsSource(source, "the frame")
    if isinstance(source, np.ndarray) and source.dtype.names:
        return ArraySource({field: source[field] for field in source.dtype.names}, "the array")
    if isinstance(source, Mapping):
        return ArraySource(source, "the dict")
    raise DataError(f"{_described(source)} is no market data; {_EXPECTED}")


def _described(source: Any) -> str:
    if isinstance(source, np.ndarray):
        return f"a plain array of shape {source.shape}, whose columns have no names,"
    return f"a value of type {type(source).__name__}"


def read_source(source: Source, columns: Columns | None, name: str) -> list[Table]:
    """Return the tables of one source: one, or one for each value of its symbol column."""
    chosen = map_columns(source.names, columns, label=source.label, preset=source.preset)
    numbers = [chosen.names[column] for column in COLUMNS if column in chosen.names]
    others = [chosen.names["timestamp"], chosen.clock, chosen.names.get("symbol")]
    fetched = source.fetch(list(dict.fromkeys(numbers)), [column for column in others if column is not None])
    timestamp, guess = _timestamps(fetched, chosen)
    values = {column: fetched[chosen.names[column]] for column in COLUMNS if column in chosen.names}
    if not len(timestamp):
        raise DataError(f"{source.label} has columns and no rows")
    values.setdefault("volume", np.zeros(len(timestamp)))
    table = Table(
        name,
        timestamp,
        values,
        notes=(*source.notes, *_notes(chosen, guess)),
        owned=source.owned,
        texts=lambda column, rows: (
            source.texts(chosen.names[column], rows - 1) if column in chosen.names else []
        ),
    )
    tables = _by_symbol(table, fetched[chosen.names["symbol"]]) if "symbol" in chosen.names else [table]
    cleaned = [_without_blank_rows(table, source.blank_rows) for table in tables]
    return [table for table in cleaned if len(table) or table.symbol]  # blank lines have no symbol either


def _timestamps(fetched: Mapping[str, Any], chosen: ColumnMap) -> tuple[IntArray, str]:
    label = chosen.names["timestamp"]
    values = fetched[label]
    if chosen.clock is not None:
        values = with_clock(values, fetched[chosen.clock])
    return to_nanoseconds(values, fmt=chosen.timestamp_format, label=label)


def _notes(chosen: ColumnMap, guess: str) -> list[Problem]:
    notes = []
    if guess:
        notes.append(make_problem("timestamps", "note", guess))
    if "volume" not in chosen.names:
        notes.append(make_problem("no_volume", "note", "no volume column: the volume is zero"))
    if chosen.unused_adjusted is not None:
        close = chosen.names["close"]
        text = f"column {chosen.unused_adjusted!r} is not used; {close!r} goes with open, high and low"
        notes.append(make_problem("adjusted", "note", text))
    return notes


def _without_blank_rows(table: Table, rule: str) -> Table:
    if rule == "none":
        return table
    blank = table.timestamp == MISSING if rule == "no time" else np.isnan(table.columns["close"])
    if blank.any():
        for column in set(table.columns) - ({"volume"} if rule == "no time" else set()):
            blank &= np.isnan(table.columns[column])
    return table.take(~blank)


def _by_symbol(table: Table, symbols: Any) -> list[Table]:
    """Split a long table, symbols in the order of their first row."""
    names, codes = _encoded(symbols)
    if len(names) == 1:
        return [replace(table, symbol=names[0])]
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    return [replace(table.take(part), symbol=name) for name, part in zip(names, parts, strict=True)]


def _encoded(symbols: Any) -> tuple[list[str], IntArray]:
    """Return the distinct symbols in order of appearance, and each row's index into them."""
    import polars as pl  # heavy; only long tables need it

    series = symbols if isinstance(symbols, pl.Series) else pl.Series([str(symbol) for symbol in symbols])
    series = series.fill_null("")
    names: Sequence[str] = series.unique(maintain_order=True).to_list()
    codes = series.replace_strict(names, list(range(len(names))), return_dtype=pl.Int64)
    return list(names), codes.to_numpy()
