"""Moments written as text: the usual formats, and how the data tell them apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from strategy_optimizer.errors import DataError
from strategy_optimizer.market.advice import columns_advice
from strategy_optimizer.market.bars import IntArray
from strategy_optimizer.market.moments import MISSING, microseconds_to_nanoseconds, moment_text

if TYPE_CHECKING:
    import polars as pl

Values: TypeAlias = "npt.NDArray[Any] | pl.Series"

_CLOCKS = ("", " %H:%M:%S", " %H:%M", " %H:%M:%S%.f")
_ZONED = tuple(
    f"%Y-%m-%d{sep}{clock}{zone}"
    for sep in "T "
    for clock in ("%H:%M:%S", "%H:%M", "%H:%M:%S%.f")
    for zone in ("Z", "+00:00", "%:z", "%z")
)
# Year first: no doubt about day and month, so a column may mix these formats.
ISO_FORMATS = (
    *(f"%Y-%m-%d{clock}" for clock in _CLOCKS),
    *(f"%Y-%m-%dT{clock.strip()}" for clock in _CLOCKS[1:]),
    *_ZONED,
    *(f"%Y{sep}%m{sep}%d{clock}" for sep in "/." for clock in _CLOCKS),
    *(f"%Y%m%d{clock}" for clock in ("", *_CLOCKS[1:], " %H%M%S", "T%H%M%S", "%H%M%S", "%H%M")),
)
_HALF_DAYS = (" %I:%M:%S %p", " %I:%M %p")
NAMED_MONTHS = tuple(
    f"{date}{clock}"
    for date in ("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y", "%b %d %Y")
    for clock in (*_CLOCKS, *_HALF_DAYS)
)
# Pairs (month first, day first): the data must decide.
NUMBERED_MONTHS = tuple(
    (f"%m{sep}%d{sep}%{year}{clock}", f"%d{sep}%m{sep}%{year}{clock}")
    for sep in "/-."
    for year in "Yy"
    for clock in (*_CLOCKS, *_HALF_DAYS)
)
_PROBE = 64  # texts looked at to find the format


def parse_texts(texts: pl.Series, fmt: str | None, label: str) -> tuple[IntArray, str]:
    """Return UTC nanoseconds of texts, and a word on what was guessed; see `timestamps.to_nanoseconds`."""
    if fmt is None:
        return _guessed_text(texts, label)
    parsed = _parse(texts, fmt)
    if (parsed == MISSING).all():
        raise DataError(f"{label} has texts like {_example(texts)}, none of which fits the format {fmt!r}")
    return parsed, ""


def _guessed_text(texts: pl.Series, label: str) -> tuple[IntArray, str]:
    probe = texts.drop_nulls().head(_PROBE)
    if not len(probe):
        return np.full(len(texts), MISSING), ""
    iso = [fmt for fmt in ISO_FORMATS if _reads_any(probe, fmt)]
    if iso:
        return _parse_mixed(texts, iso), ""
    named = [fmt for fmt in NAMED_MONTHS if _reads_any(probe, fmt)]
    if named:
        return _parse(texts, _widest(probe, named)), ""
    for month_first, day_first in NUMBERED_MONTHS:
        if _reads_any(probe, month_first) or _reads_any(probe, day_first):
            return _decide_day_and_month(texts, month_first, day_first, label)
    raise DataError(
        f"{label} has texts like {_example(texts)} in no known format; expected e.g. '2020-01-31' or "
        f"'2020-01-31 09:30:00', or say the format: {columns_advice({'timestamp': (label, '%d/%m/%Y')})}"
    )


def _example(texts: pl.Series) -> str:
    return ", ".join(repr(text) for text in texts.drop_nulls().head(2).to_list())


def _reads_any(probe: pl.Series, fmt: str) -> bool:
    return bool((_parse(probe, fmt) != MISSING).any())


def _widest(probe: pl.Series, formats: Sequence[str]) -> str:
    return max(formats, key=lambda fmt: int((_parse(probe, fmt) != MISSING).sum()))


def _parse(texts: pl.Series, fmt: str) -> IntArray:
    """Return nanoseconds by one format, the smallest integer where it does not fit."""
    import polars as pl

    # Nanoseconds wrap round beyond 1678-2262 without a word, so whole seconds are read as microseconds.
    unit: Any = "ns" if "%.f" in fmt else "us"
    try:
        moments = texts.str.to_datetime(fmt, time_unit=unit, strict=False, cache=False)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{fmt!r} is not a usable timestamp format: {error}") from error
    numbers = moments.to_physical().fill_null(MISSING).to_numpy()
    return numbers if unit == "ns" else microseconds_to_nanoseconds(numbers)


def _parse_mixed(texts: pl.Series, formats: Sequence[str]) -> IntArray:
    """Return nanoseconds by the first format, then what is left by all others."""
    first, *others = formats
    parsed = _parse(texts, first).copy()
    for fmt in itertools.chain(others, ISO_FORMATS):
        left = np.flatnonzero((parsed == MISSING) & texts.is_not_null().to_numpy())
        if not len(left):
            break
        if _reads_any(texts[left[:_PROBE]], fmt):
            parsed[left] = _parse(texts[left], fmt)
    return parsed


def _decide_day_and_month(
    texts: pl.Series, month_first: str, day_first: str, label: str
) -> tuple[IntArray, str]:
    """Return the reading that fits more values, else the one in order; an error when both do."""
    if "." in month_first:
        return _parse(texts, day_first), ""  # dots are written day first
    readings = {fmt: _parse(texts, fmt) for fmt in (month_first, day_first)}
    unread = {fmt: int((parsed == MISSING).sum()) for fmt, parsed in readings.items()}
    if unread[month_first] != unread[day_first]:
        return readings[min(unread, key=unread.__getitem__)], ""
    disorder = {fmt: _disorder(parsed) for fmt, parsed in readings.items()}
    if disorder[month_first] != disorder[day_first]:
        best = min(disorder, key=disorder.__getitem__)
        note = f"{label} is read as {best}: the other order of day and month is not in sequence"
        return readings[best], note
    first, second = readings.values()
    doubtful = int(np.argmax((first != second) & (first != MISSING) & (second != MISSING)))
    both = " or ".join(f"{moment_text(int(parsed[doubtful]))} ({fmt})" for fmt, parsed in readings.items())
    raise DataError(
        f"{label} has texts like {texts[doubtful]!r}, which mean {both}; "
        f"say which: {columns_advice({'timestamp': (label, day_first)})}"
    )


def _disorder(moments: IntArray) -> int:
    """Return how many steps go against the direction of most; files may run from new to old."""
    steps = np.diff(moments)
    return int(min((steps < 0).sum(), (steps > 0).sum()))


def with_clock(dates: Values, clocks: Values) -> pl.Series:
    """Return a column of dates and one of times of day joined into one of texts."""
    clock = _as_texts(clocks)
    if clock.str.contains(r"^\d{1,6}$").all():
        clock = clock.str.zfill(4 if (clock.str.len_chars().max() or 0) == 4 else 6)
    return _as_texts(dates) + " " + clock


def _as_texts(values: Values) -> pl.Series:
    import polars as pl

    if not isinstance(values, np.ndarray):
        return values.cast(pl.String)
    days = values.astype("M8[D]") if values.dtype.kind == "M" else values
    return pl.Series([None if v is None or v != v else str(v) for v in days], dtype=pl.String)
