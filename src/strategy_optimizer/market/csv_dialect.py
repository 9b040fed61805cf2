"""How a CSV file is written, seen from its beginning: separator, lines before the data, how numbers look.

What cannot be told from the text is left as it stands, so that the checks refuse it with its rows.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from strategy_optimizer.market.columns import normalised

SEPARATORS = "\t;|,"  # of two that come equally often the comma is the decimal one
COMMENT = "#"
_EXCEL_HINT = re.compile(r'"?sep=(.)"?')  # the first line by which Excel is told the separator
_TITLE_LINES = 10  # most lines without any separator before the header: a title, the address of the source
_FEWEST_COLUMNS = 4

_NUMBER_LIKE = re.compile(r"[\d.,:/\-+TZ eE]*\d[\d.,:/\-+TZ eE]*")
_PLAIN_NUMBER = re.compile(r"[+-]?[\d.,]+([eE][+-]?\d+)?")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_DECIMAL_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")
_COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_DECIMAL_POINT = re.compile(r"[+-]?\d+\.(\d{1,2}|\d{4,})")

Numbers = Literal["plain", "decimal comma", "comma groups"]
# What pandas writes for the columns of yfinance: fields in one line, tickers in another.
_FIELDS = frozenset(
    [
        "open",
        "high",
        "low",
        "close",
        "adjclose",
        "volume",
        "dividends",
        "stocksplits",
        "capitalgains",
        "repaired",
    ]
)


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Attributes
    ----------
    separator : str
    skipped : int
        Lines before the header, or before the data where the names are not taken from one line.
    first : tuple of str
        The cells of the first line that counts.
    header : {'one line', 'none', 'two levels'}
    fields : tuple of (ticker, field)
        Of two levels: what each column after the first one is.
    numbers : {'plain', 'decimal comma', 'comma groups'}
        ``1234.5``, ``1.234,5`` or ``1,234.5``.
    clock : bool
        Whether, without a header, a time of day stands beside the date.
    """

    separator: str
    skipped: int
    first: tuple[str, ...]
    header: Literal["one line", "none", "two levels"]
    fields: tuple[tuple[str, str], ...] = ()
    numbers: Numbers = "plain"
    clock: bool = False


def recognise(head: str) -> Dialect:
    r"""Return how the file is written that begins with `head`.

    >>> recognise("Datum;Schluss\n02.01.2020;1.234,50\n").numbers
    'decimal comma'
    """
    lines: Sequence[tuple[int, str]] = [
        (number, line)
        for number, line in enumerate(head.splitlines())
        if line.strip() and not line.startswith(COMMENT)
    ]
    if not lines:
        return Dialect(",", 0, (), "one line")
    separator, lines = _separator(lines)
    rows = list(csv.reader([line for _, line in lines], delimiter=separator))
    skipped = lines[0][0]
    first = tuple(rows[0])
    numbers = _numbers(rows[1:], separator)
    if fields := _two_levels(rows):
        n_levels = 3 if _has_index_line(rows) else 2
        index = rows[2][0] if n_levels == 3 else ""
        after = lines[n_levels - 1][0] + 1
        return Dialect(separator, after, (index, *first[1:]), "two levels", fields, numbers)
    if all(_NUMBER_LIKE.fullmatch(cell.strip()) for cell in first[:6]):
        clock = len(first) > 1 and bool(_CLOCK.fullmatch(first[1].strip()))
        return Dialect(separator, skipped, first, "none", (), _numbers(rows, separator), clock)
    return Dialect(separator, skipped, first, "one line", (), numbers)


def _separator(lines: Sequence[tuple[int, str]]) -> tuple[str, Sequence[tuple[int, str]]]:
    """Return the separator, and the lines from the header on."""
    hint = _EXCEL_HINT.fullmatch(lines[0][1].strip())
    if hint and len(lines) > 1:
        return hint[1], lines[1:]
    counts = [max(line.count(mark) for mark in SEPARATORS) for _, line in lines[: _TITLE_LINES + 1]]
    wide = next((i for i, count in enumerate(counts) if count >= _FEWEST_COLUMNS), 0)
    start = wide if not any(counts[:wide]) else 0
    return max(SEPARATORS, key=lines[start][1].count), lines[start:]


def _two_levels(rows: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    """Return (ticker, field) of the columns after the first when two lines name them, else nothing."""
    if len(rows) < 2 or len(rows[0]) != len(rows[1]) or len(rows[0]) < 2:
        return ()
    if not _has_index_line(rows) and _NUMBER_LIKE.fullmatch(rows[1][0].strip()):
        return ()  # the second line begins with a time
    return tickers_and_fields(rows[0][1:], rows[1][1:])


def tickers_and_fields(upper: Sequence[str], lower: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return (ticker, field) of each column when one of two levels of names has fields and the other tickers."""
    for fields, tickers in ((upper, lower), (lower, upper)):
        if {normalised(field) for field in fields} <= _FIELDS and all(map(_is_name, tickers)):
            return tuple(
                (ticker.strip(), field.strip()) for ticker, field in zip(tickers, fields, strict=True)
            )
    return ()


def _has_index_line(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a third line only names the column of times, as pandas writes it."""
    return len(rows) > 2 and bool(rows[2][0]) and not any(rows[2][1:])


def _is_name(cell: str) -> bool:
    """Whether a cell names something: it is not empty, and no number, as the cells of a first row would be."""
    return bool(cell.strip()) and not _PLAIN_NUMBER.fullmatch(cell.strip())


def _numbers(rows: Sequence[Sequence[str]], separator: str) -> Numbers:
    """Return how numbers with commas are meant.

    ``1,5`` and ``1.234,5`` have a decimal comma, ``1,234.5`` and ``1,234,567`` have groups; ``1,234`` alone may be
    both, and is decided by the cells around it, or by semicolons, which are used where the comma is the decimal one.
    """
    cells = [cell.strip() for row in rows for cell in row if "," in cell]
    decimal = [cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell)]
    grouped = [cell for cell in cells if _COMMA_GROUPS.fullmatch(cell)]
    if set(decimal) - set(grouped):
        return "decimal comma"
    if set(grouped) - set(decimal):
        return "comma groups"
    if not decimal:
        return "plain"
    if separator == ";":
        return "decimal comma"
    points = any(_DECIMAL_POINT.fullmatch(cell.strip()) for row in rows for cell in row)
    return "comma groups" if points else "plain"
