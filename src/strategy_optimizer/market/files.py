"""CSV and Parquet files as sources of columns, read by Polars."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strategy_optimizer.errors import DataError
from strategy_optimizer.market.bars import COLUMNS, PRICES, IntArray
from strategy_optimizer.market.csv_dialect import COMMENT, recognise, tickers_and_fields
from strategy_optimizer.market.report import ROWS_RULE, counted, make_problem
from strategy_optimizer.market.sources import Source, polars_floats, polars_values

if TYPE_CHECKING:
    import polars as pl

CSV_SUFFIXES = (".csv", ".csv.gz", ".txt", ".tsv")
PARQUET_SUFFIXES = (".parquet", ".pq")
SUFFIXES = (*CSV_SUFFIXES, *PARQUET_SUFFIXES)
_SNIFFED = 65_536
_GZIP = b"\x1f\x8b"
_PAIR = re.compile(r"\('(?P<upper>[^']+)', '(?P<lower>[^']+)'\)")  # pandas' name of a column of two levels
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


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
    except (OSError, EOFError, zlib.error) as error:  # the last two of a gzipped file that is cut or damaged
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


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
        pairs = {name: pair for name in self.names if (pair := _PAIR.fullmatch(name))}
        if len(pairs) == len(self.names) - 1:
            self.names = (*(name for name in self.names if name not in pairs), *pairs)
            levels = ([pair[level] for pair in pairs.values()] for level in ("upper", "lower"))
            self.parts = _by_ticker(self, tickers_and_fields(*levels))

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
    """Columns of a CSV file, plain or gzipped; `csv_dialect` recognises how it is written."""

    owned = True
    blank_rows = "no time"

    def __init__(self, path: Path) -> None:
        self.label = path.name
        self._path = path
        head = _head(path)
        if not head.strip():
            raise DataError(f"{path} is empty; expected a header line and rows of prices")
        self._dialect = recognise(head)
        self.names = self._names()
        self.parts = _by_ticker(self, self._dialect.fields)

    def _names(self) -> tuple[str, ...]:
        cells = self._dialect.first
        if self._dialect.header == "one line":
            return tuple(self._scan().collect_schema().names())
        if self._dialect.header == "two levels":
            return (cells[0], *(f"{ticker}.{field}" for ticker, field in self._dialect.fields))
        times = ("date", "time") if self._dialect.clock else ("timestamp",)
        fewest = len(times) + len(PRICES)
        if len(cells) < fewest:
            raise DataError(
                f"{self._path} has no header line and {counted(len(cells), 'column')} in its first line; expected "
                "a header, or timestamp, open, high, low, close[, volume] in this order"
            )
        usual = (*times, *COLUMNS) if len(cells) > fewest else (*times, *PRICES)
        self.notes = (
            make_problem("no_header", "note", f"no header line: the columns are taken as {', '.join(usual)}"),
        )
        return tuple(usual[i] if i < len(usual) else f"column_{i + 1}" for i in range(len(cells)))

    def fetch(self, numbers: Sequence[str], raw: Sequence[str]) -> dict[str, Any]:
        """Return the columns asked for; texts among the numbers are NaN."""
        import polars as pl

        as_text = self._dialect.numbers == "decimal comma"
        kind = pl.String if as_text else pl.Float64
        frame = self._read(dict.fromkeys(numbers, kind) | dict.fromkeys(raw, pl.String))
        if frame.is_empty():
            raise DataError(f"{self._path} has a header and no rows")
        odd = [name for name in numbers if not as_text and frame[name].null_count()]
        if odd:  # a space beside the number, a thousands separator, a word: look again
            frame = frame.with_columns(self._read(dict.fromkeys(odd, pl.String)))
        found: dict[str, Any] = {name: polars_floats(self._with_points(frame[name])) for name in numbers}
        return found | {name: frame[name].str.strip_chars() for name in raw}

    def _with_points(self, values: pl.Series) -> pl.Series:
        """Return texts that are numbers as Python writes them; what is not written like the rest stays."""
        import polars as pl

        if values.dtype != pl.String or self._dialect.numbers == "plain":
            return values
        texts = values.str.strip_chars()
        if self._dialect.numbers == "comma groups":
            grouped = texts.str.contains(r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$")
            return texts.str.replace_all(",", "", literal=True).zip_with(grouped.fill_null(False), texts)
        fits = texts.str.contains(r"^[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?$")
        points = texts.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        return points.set(~fits.fill_null(False), None)

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
        except OSError as error:  # a gzipped file that ends too early
            raise DataError(f"{self._path} cannot be read: {error.strerror or error}") from error

    def _scan(self, types: Mapping[str, Any] | None = None) -> pl.LazyFrame:
        import polars as pl

        has_header = self._dialect.header == "one line"
        return pl.scan_csv(
            _content(self._path),
            schema_overrides=dict(types or {}),
            has_header=has_header,
            new_columns=None if has_header else list(self.names),
            separator=self._dialect.separator,
            skip_lines=self._dialect.skipped,
            comment_prefix=COMMENT,
            infer_schema=False,
            ignore_errors=True,  # an unreadable number becomes null, which the checks report with its row
            glob=False,
        )

    def _refuse_long_lines(self) -> None:
        """Raise when lines have more fields than there are columns, with their rows."""
        with _text(self._path) as file:
            counted_lines = itertools.islice(file, self._dialect.skipped, None)
            lines = csv.reader(
                (line for line in counted_lines if not line.startswith(COMMENT)),
                delimiter=self._dialect.separator,
            )
            numbers = enumerate(lines, start=0 if self._dialect.header == "one line" else 1)
            long = [row for row, cells in numbers if len(cells) > len(self.names)]
        if long:
            problem = make_problem("ragged", "error", f"lines with more than {len(self.names)} fields", long)
            raise DataError(f"{self._path}: {problem}; {ROWS_RULE}", rows=problem.rows)


def _by_ticker(source: Source, fields: Sequence[tuple[str, str]]) -> dict[str, Source]:
    """Return a source for each ticker of a table with the columns of several side by side."""
    return {ticker: _OneTicker(source, ticker, fields) for ticker in dict.fromkeys(t for t, _ in fields)}


class _OneTicker(Source):
    """The columns of one ticker, under the names that they have there."""

    owned = True

    def __init__(self, source: Source, ticker: str, fields: Sequence[tuple[str, str]]) -> None:
        index, *columns = source.names
        self.label = source.label
        self._source = source
        self._columns = {index: index} | {
            field: column for (owner, field), column in zip(fields, columns, strict=True) if owner == ticker
        }
        self.names = tuple(self._columns)
        # Where another ticker traded and this one did not, its cells are empty.
        self.blank_rows = "no values" if len(self.names) < len(source.names) else "no time"

    def fetch(self, numbers: Sequence[str], raw: Sequence[str]) -> dict[str, Any]:
        """Return the columns asked for."""
        fetched = self._source.fetch(*([self._columns[name] for name in names] for names in (numbers, raw)))
        return {name: fetched[self._columns[name]] for name in (*numbers, *raw)}

    def texts(self, name: str, rows: IntArray) -> list[str]:
        """Return what stands in a number column at the given indices."""
        return self._source.texts(self._columns[name], rows)


def write_parquet(frame: pl.DataFrame, path: Path, **options: Any) -> None:
    """Write a frame, through memory: of a full disk Polars says that the file's format is wrong."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, **options)
    path.write_bytes(buffer.getbuffer())


def _text(path: Path) -> Any:
    return _decompressed(path, "rt", encoding=_encoding(path), errors="replace")


def _decompressed(path: Path, mode: str, **options: Any) -> Any:
    with path.open("rb") as file:
        opener: Any = gzip.open if file.read(2) == _GZIP else open
    return opener(path, mode, **options)


def _encoding(path: Path) -> str:
    """Return how the text is encoded: MetaTrader writes UTF-16, European Excel the code page of Windows."""
    with _decompressed(path, "rb") as file:
        start = file.read(_SNIFFED)
    if start[:2] in _UTF16:
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)  # the last character may be cut
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _head(path: Path) -> str:
    """Return the first lines, whole ones: half a number would look like another."""
    with _text(path) as file:
        head = str(file.read(_SNIFFED))
    lines, newline, _ = head.rpartition("\n")
    return lines if newline and len(head) == _SNIFFED else head


def _content(path: Path) -> Any:
    """Return what Polars can read: the path, or the text of a file in another encoding as bytes."""
    if _encoding(path) == "utf-8-sig":
        return path
    with _text(path) as file:
        return io.BytesIO(file.read().encode())
