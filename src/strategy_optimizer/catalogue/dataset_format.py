"""The one form in which datasets are kept: a Parquet file of the bars alone, without names.

Equal bars make equal files. The names of symbols belong to whoever has the dataset and are kept beside it; only where
there are several do they count for the digest, see `Bars`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from strategy_optimizer.errors import DataError
from strategy_optimizer.market.bars import COLUMNS, Bars
from strategy_optimizer.market.files import write_parquet
from strategy_optimizer.market.report import DataReport
from strategy_optimizer.report.decimation import kept_rows

ROWS_SHOWN = 20
CURVE_POINTS = 500
SYMBOLS_SHOWN = 20


def write_bars(bars: Bars, file: Path) -> None:
    """Write bars as a canonical file."""
    import polars as pl  # heavy; only files need it

    columns: dict[str, Any] = {"timestamp": bars.timestamp}
    for name in COLUMNS:
        values = getattr(bars, name).reshape(bars.n_bars, bars.n_symbols)
        columns |= {_column(name, i): np.ascontiguousarray(values[:, i]) for i in range(bars.n_symbols)}
    write_parquet(pl.DataFrame(columns), file, compression="zstd", compression_level=3, statistics=False)


def read_bars(file: Path, *, symbols: Sequence[str], name: str, report: DataReport | None = None) -> Bars:
    """Return the bars of a canonical file.

    Raises
    ------
    DataError
        When it is damaged.
    """
    import polars as pl

    try:
        frame = pl.read_parquet(file, glob=False)
        arrays = {
            column: np.column_stack([frame[_column(column, i)].to_numpy() for i in range(len(symbols))])
            for column in COLUMNS
        }
        timestamp = frame["timestamp"].to_numpy()
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise DataError(f"the stored copy {file} of {name} is damaged: {error}") from error
    return Bars(**arrays, timestamp=timestamp, symbols=tuple(symbols), name=name, report=report)


def _column(name: str, symbol: int) -> str:
    return f"{name}_{symbol}"


def preview_of(bars: Bars) -> dict[str, Any]:
    """Return the first and last rows and a curve of closes of each symbol, at most of the first twenty.

    Rows are timestamp (ns), open, high, low, close, volume. The curve has the lowest and the highest close of each of
    its parts.
    """
    shown = range(min(bars.n_symbols, SYMBOLS_SHOWN))
    return {"symbols": [_preview(bars, symbol) for symbol in shown]}


def _preview(bars: Bars, symbol: int) -> dict[str, Any]:
    columns = [getattr(bars, name).reshape(bars.n_bars, -1)[:, symbol] for name in COLUMNS]
    close = columns[COLUMNS.index("close")]
    curve = kept_rows(close, CURVE_POINTS)

    def rows(places: Any) -> list[list[Any]]:
        return [[int(bars.timestamp[i]), *(float(column[i]) for column in columns)] for i in places]

    return {
        "first": rows(range(min(ROWS_SHOWN, bars.n_bars))),
        "last": rows(range(max(0, bars.n_bars - ROWS_SHOWN), bars.n_bars)),
        "curve": {"timestamp": bars.timestamp[curve].tolist(), "close": close[curve].tolist()},
    }
