"""Moments in time: what users write as dates, as UTC nanoseconds since 1970, and back."""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal

import numpy as np
import numpy.typing as npt

from strategy_optimizer.errors import DataError

Moment = str | dt.date | dt.datetime | np.datetime64

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR = int(365.25 * DAY)
MISSING = np.iinfo(np.int64).min  # as in NumPy: not-a-time

_FIRST, _LAST = np.datetime64("1678"), np.datetime64("2262-04-11")
_MOST_MICROSECONDS = 9_214_646_400_000_000  # from 1678 to 2261

_ISO = re.compile(r"\d{4}(-\d{2}(-\d{2}([T ]\d{2}(:\d{2}(:\d{2}(\.\d{1,9})?)?)?(Z|[+-]\d{2}:?\d{2})?)?)?)?")
_EXPECTED = (
    "a date such as '2005', '2005-03', '2005-03-31' or '2005-03-31 14:30' (UTC unless it says otherwise)"
)


def parse_moment(value: Moment, *, edge: Literal["start", "end"] = "start") -> int:
    """Return the first or the last nanosecond that `value` covers.

    A year, a month, a day or a minute covers all of itself, so that both ends of a range are inclusive.

    Parameters
    ----------
    value : str, date, datetime or numpy.datetime64
        ISO 8601; without an offset it is UTC.
    edge : {'start', 'end'}

    Raises
    ------
    DataError
        When `value` is not a date.

    Examples
    --------
    >>> parse_moment("1970-01-02")
    86400000000000
    >>> parse_moment("1970", edge="end") == 365 * 86_400_000_000_000 - 1
    True
    """
    moment = _as_datetime64(value)
    if np.isnat(moment):
        raise DataError(f"{value!r} is not a date; expected {_EXPECTED}")
    if edge == "end":
        moment = moment + 1  # one of its own unit
    if not _FIRST <= moment <= _LAST:
        raise DataError(f"{value!r} lies outside the years 1678 to 2262 that nanoseconds can express")
    return int(moment.astype("M8[ns]").astype(np.int64)) - (edge == "end")


def _as_datetime64(value: Moment) -> np.datetime64:
    if isinstance(value, np.datetime64):
        return value
    if isinstance(value, dt.datetime):
        return np.datetime64(_naive_utc(value), "us")
    if isinstance(value, dt.date):
        return np.datetime64(value, "D")
    if isinstance(value, str) and _ISO.fullmatch(value.strip()):
        return _from_text(value.strip())
    raise DataError(f"{value!r} is not a date; expected {_EXPECTED}")


def _from_text(text: str) -> np.datetime64:
    try:
        if re.search(r"(Z|[+-]\d{2}:?\d{2})$", text[10:]):
            return np.datetime64(_naive_utc(dt.datetime.fromisoformat(text)), "us")
        return np.datetime64(text)
    except ValueError as error:
        raise DataError(f"{text!r} is not a date ({error}); expected {_EXPECTED}") from error


def _naive_utc(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value


def moment_text(nanoseconds: int) -> str:
    """Return a UTC moment as short ISO text, without the parts that are zero.

    >>> moment_text(0), moment_text(90 * 1_000_000_000)
    ('1970-01-01', '1970-01-01 00:01:30')
    """
    if nanoseconds == MISSING:
        return "not a time"
    text = str(np.datetime64(nanoseconds, "ns")).replace("T", " ")
    text = text.rstrip("0").rstrip(".") if nanoseconds % SECOND else text[:19]
    return text[:10] if nanoseconds % DAY == 0 else text[:16] if nanoseconds % MINUTE == 0 else text


def microseconds_to_nanoseconds(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return nanoseconds, MISSING where they cannot express the moment; NumPy and Polars would wrap round."""
    fits = (values > -_MOST_MICROSECONDS) & (values < _MOST_MICROSECONDS)  # MISSING has no absolute value
    return np.where(fits, values * 1000, MISSING)


def period_text(start: Moment | None, end: Moment | None) -> str:
    """Return a period as the caller gave it.

    >>> period_text("2005", None)
    'from 2005 on'
    """
    if start is None or end is None:
        return f"from {start} on" if end is None else f"until {end}"
    return f"from {start} to {end}"


_UNITS = ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second"))


def span_text(nanoseconds: int) -> str:
    """Return a length of time in its largest fitting unit.

    >>> span_text(86_400_000_000_000), span_text(5 * 60 * 1_000_000_000)
    ('1 day', '5 minutes')
    """
    for unit, noun in _UNITS:
        if nanoseconds >= unit:
            amount = f"{nanoseconds / unit:.3g}"
            return f"{amount} {noun}{'' if amount == '1' else 's'}"
    return f"{nanoseconds / SECOND:.3g} seconds"
