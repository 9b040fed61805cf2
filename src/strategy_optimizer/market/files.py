"""CSV and Parquet files as sources of columns, read by Polars."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strategy_optimizer.errors import DataError
from strategy_optimizer.market.bars import COLUMNS, IntArray
from strategy_optimizer.market.report import ROWS_RULE, make_problem
from strategy_optimizer.market.sources import Source, polars_floats, polars_values

if TYPE_CHECKING:
    import polars as pl

CSV_SUFFIXES = (".csv", ".csv.gz", ".txt", ".tsv")
PARQUET_SUFFIXES = (".parquet", ".pq")
SUFFIXES = (*CSV_SUFFIXES, *PARQUET_SUFFIXES)
_SNIFFED = 65_536
_GZIP = b"\x1f\x8b"
_NUMBER_LIKE = re.compile(r"[\d.,:/\-+TZ eE]*\d[\d.,:/\-+TZ eE]*")


def has_known_suffix(path: Path) -> bool:
    """Whether the name ends like a file that can be read."""
    return path.name.lower().endswith(SUFFIXES)


def open_file(path: Path) -> Source:
    """Return the source for a file, by the end of its name.

    Raises
    ------
    DataError
        When the file cannot be read, is empty or is of another kind.
    """
    if not has_known_suffix(path):
        raise DataError(f"{path} is no kind of file that can be read; known are {', '.join(SUFFIXES)}")
    try:
        if path.name.lower().endswith(PARQUET_SUFFIXES):
            return ParquetSource(path)
        return CsvSource(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


class ParquetSource(Source):
    """Columns of a Parquet file; only those asked for are read."""

    owned = True

    def __init__(self, path: Path) -> None:
        import polars as pl  # heavy; only files need it

        self.label = path.name
        self._path = path
        try:
            self.names = tuple(pl.read_parquet_schema(path))
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{path} is not a readable Parquet file: {error}") from error

    def fetch(self, numbers: Sequence[str], raw: Sequence[str]) -> dict[str, Any]:
        """Return the columns asked for."""
        import polars as pl

        try:
            frame = pl.read_parquet(self._path, columns=[*numbers, *raw], glob=False)
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{self._path} is damaged: {error}") from error
        found: dict[str, Any] = {name: polars_floats(frame[name]) for name in numbers}
        return found | {name: polars_values(frame[name]) for name in raw}


class CsvSource(Source):
    """Columns of a CSV file, plain or gzipped; separator, decimal comma and missing header are recognised."""

    owned = True
    blank_rows = "no time"

    def __init__(self, path: Path) -> None:
        self.label = path.name
        self._path = path
        head = _head(path)
        if not head.strip():
            raise DataError(f"{path} is empty; expected a header line and rows of prices")
        lines = [line for line in head.splitlines() if line.strip() and not line.startswith("#")]
        self._separator = max(",;\t|", key=lambda mark: lines[0].count(mark)) if lines else ","
        self._decimal_comma = self._separator == ";" and any(
            re.search(r";-?\d+,\d+;", line) for line in lines
        )
        cells = next(csv.reader(lines[:1], delimiter=self._separator), [])
        self._has_header = not all(_NUMBER_LIKE.fullmatch(cell.strip()) for cell in cells[:6])
        self.names = self._names(cells)

    def _names(self, cells: Sequence[str]) -> tuple[str, ...]:
        if self._has_header:
            return tuple(self._scan().collect_schema().names())
        usual = ("timestamp", *COLUMNS) if len(cells) >= 6 else ("timestamp", *COLUMNS[:-1])
        if len(cells) < 5:
            raise DataError(
                f"{self._path} has no header line and {len(cells)} columns in its first line; expected "
                "a header, or timestamp, open, high, low, close[, volume] in this order"
            )
        self.notes = (
            make_problem("no_header", "note", f"no header line: the columns are taken as {', '.join(usual)}"),
        )
        return tuple(usual[i] if i < len(usual) else f"column_{i + 1}" for i in range(len(cells)))

    def fetch(self, numbers: Sequence[str], raw: Sequence[str]) -> dict[str, Any]:
        """Return the columns asked for; texts among the numbers are NaN."""
        import polars as pl

        frame = self._read(dict.fromkeys(numbers, pl.Float64) | dict.fromkeys(raw, pl.String))
        if frame.is_empty():
            raise DataError(f"{self._path} has a header and no rows")
        odd = [name for name in numbers if frame[name].null_count()]
        if odd:  # a space beside the number, a thousands separator, a word: look again
            frame = frame.with_columns(self._read(dict.fromkeys(odd, pl.String)))
        found: dict[str, Any] = {name: polars_floats(frame[name]) for name in numbers}
        return found | {name: frame[name].str.strip_chars() for name in raw}

    def texts(self, name: str, rows: IntArray) -> list[str]:
        """Return what stands in a number column at the given indices."""
        import polars as pl

        series = self._read({name: pl.String})[name]
        return [text for text in series[rows.tolist()].to_list() if text]

    def _read(self, types: Mapping[str, Any]) -> pl.DataFrame:
        import polars as pl

        try:
            return self._scan(types).select(list(types)).collect()
        except pl.exceptions.ComputeError as error:
            self._refuse_long_lines()
            raise DataError(f"{self._path} is not a readable CSV file: {error}") from error
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{self._path} is not a readable CSV file: {error}") from error

    def _scan(self, types: Mapping[str, Any] | None = None) -> pl.LazyFrame:
        import polars as pl

        return pl.scan_csv(
            _content(self._path),
            schema_overrides=dict(types or {}),
            has_header=self._has_header,
            new_columns=None if self._has_header else list(self.names),
            separator=self._separator,
            decimal_comma=self._decimal_comma,
            comment_prefix="#",
            infer_schema=False,
            ignore_errors=True,  # an unreadable number becomes null, which the checks report with its row
            glob=False,
        )

    def _refuse_long_lines(self) -> None:
        """Raise when lines have more fields than there are columns, with their rows."""
        with _text(self._path) as file:
            lines = csv.reader((line for line in file if not line.startswith("#")), delimiter=self._separator)
            numbers = enumerate(lines, start=0 if self._has_header else 1)
            long = [row for row, cells in numbers if len(cells) > len(self.names)]
        if long:
            problem = make_problem("ragged", "error", f"lines with more than {len(self.names)} fields", long)
            raise DataError(f"{self._path}: {problem}; {ROWS_RULE}", rows=problem.rows)


def write_parquet(frame: pl.DataFrame, path: Path, **options: Any) -> None:
    """Write a frame, through memory: of a full disk Polars says that the file's format is wrong."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, **options)
    path.write_bytes(buffer.getbuffer())


def _text(path: Path) -> Any:
    return _decompressed(path, "rt", encoding="utf-16" if _is_utf16(path) else "utf-8-sig", errors="replace")


def _decompressed(path: Path, mode: str, **options: Any) -> Any:
    with path.open("rb") as file:
        opener: Any = gzip.open if file.read(2) == _GZIP else open
    return opener(path, mode, **options)


def _is_utf16(path: Path) -> bool:
    with _decompressed(path, "rb") as file:
        return file.read(2) in (b"\xff\xfe", b"\xfe\xff")


def _head(path: Path) -> str:
    with _text(path) as file:
        return str(file.read(_SNIFFED))


def _content(path: Path) -> Any:
    """Return what Polars can read: the path, or the bytes of a UTF-16 file (MetaTrader writes those)."""
    if not _is_utf16(path):
        return path
    with _text(path) as file:
        return io.BytesIO(file.read().encode())
