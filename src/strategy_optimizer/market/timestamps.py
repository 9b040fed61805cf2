"""Timestamps of any source as UTC nanoseconds: datetimes, Unix numbers in any unit, text in usual formats."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from strategy_optimizer.errors import DataError
from strategy_optimizer.market.advice import columns_advice
from strategy_optimizer.market.bars import IntArray
from strategy_optimizer.market.moments import (
    DAY,
    MISSING,
    SECOND,
    microseconds_to_nanoseconds,
    moment_text,
    parse_moment,
)
from strategy_optimizer.market.time_texts import parse_texts

if TYPE_CHECKING:
    import polars as pl

UNITS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_YEAR_2200 = 7_258_118_400  # Unix seconds; a coarser unit is taken while its numbers stay below this
_FIRST_SECOND = 100_000_000  # smaller numbers are counts or serial dates, not Unix times
_PROBE = 64  # texts looked at to see whether they are numbers


def to_nanoseconds(
    values: npt.NDArray[Any] | pl.Series, *, fmt: str | None = None, label: str = "timestamp"
) -> tuple[IntArray, str]:
    """Return UTC nanoseconds and a word on what was guessed (empty when nothing was).

    Parameters
    ----------
    values : (n,) array of datetime64, numbers or objects, or a Polars series of text
        Numbers are Unix times in the coarsest of s, ms, us, ns that keeps them before the year 2200, or dates
        written as YYYYMMDD. Without an offset, everything is UTC.
    fmt : str, optional
        A strptime format for text, or a unit for numbers, instead of a guess.
    label : str
        What the column is called in an error.

    Returns
    -------
    (n,) int64
        The smallest integer where a value is missing or unreadable.
    str

    Raises
    ------
    DataError
        When no format fits, or day and month cannot be told apart.
    """
    if not isinstance(values, np.ndarray):
        numbers = _as_numbers(values) if fmt is None or fmt in UNITS else None
        return parse_texts(values, fmt, label) if numbers is None else _from_numbers(*numbers, fmt, label)
    if values.dtype.kind == "M":
        return _from_datetime64(values), ""
    if values.dtype.kind in "iuf":
        return _from_numbers(values, np.isfinite(values), fmt, label)
    return _from_objects(values, fmt, label)


def _from_datetime64(values: npt.NDArray[Any]) -> IntArray:
    if values.dtype == np.dtype("M8[ns]"):
        return values.view(np.int64)
    return microseconds_to_nanoseconds(values.astype("M8[us]").view(np.int64))


def _from_objects(values: npt.NDArray[Any], fmt: str | None, label: str) -> tuple[IntArray, str]:
    known = [value is not None and value == value for value in values]
    first = next(itertools.compress(values, known), None)
    if isinstance(first, dt.date | np.datetime64):
        return np.array([_one_moment(value) for value in values], dtype=np.int64), ""
    import polars as pl  # heavy; only text needs it

    texts = [str(value) if is_known else None for value, is_known in zip(values, known, strict=True)]
    return to_nanoseconds(pl.Series(texts, dtype=pl.String), fmt=fmt, label=label)


def _one_moment(value: Any) -> int:
    try:
        return parse_moment(value)
    except DataError:
        return MISSING


# -- numbers


def _from_numbers(
    values: npt.NDArray[Any], known: npt.NDArray[np.bool_], fmt: str | None, label: str
) -> tuple[IntArray, str]:
    if not known.any():
        return np.full(len(values), MISSING), ""
    if fmt is None and (dates := _from_written_dates(values[known])) is not None:
        result = np.full(len(values), MISSING)
        result[known] = dates
        example = f"{values[known][0]:.0f} is {moment_text(int(dates[0]))}"
        return result, f"the numbers of {label} are read as dates: {example}"
    unit = fmt or _guess_unit(float(values[known].max()), label)
    if unit not in UNITS:
        raise DataError(f"{label} has numbers; its format must be a unit ({', '.join(UNITS)}), not {fmt!r}")
    note = "" if fmt else f"the numbers of {label} are read as Unix {_UNIT_NAMES[unit]}"
    return _scaled(values, known, UNITS[unit]), note


def _guess_unit(largest: float, label: str) -> str:
    if largest < _FIRST_SECOND:
        raise DataError(
            f"{label} has numbers up to {largest:g}, too small for Unix times; expected dates, or Unix "
            "seconds, milliseconds, microseconds or nanoseconds; say which: "
            + columns_advice({"timestamp": (label, "ms")})
        )
    return next((unit for unit, factor in UNITS.items() if largest <= _YEAR_2200 * (1e9 / factor)), "ns")


def _scaled(values: npt.NDArray[Any], known: npt.NDArray[np.bool_], factor: int) -> IntArray:
    if values.dtype.kind != "f":
        return np.where(known, values.astype(np.int64) * factor, MISSING)
    # whole part and fraction apart: Unix seconds with a fraction do not fit a float as nanoseconds
    whole = np.where(known, np.floor(values), 0.0)
    fraction = np.where(known, values, 0.0) - whole
    rest = np.round(fraction * min(factor, 1_000_000)).astype(np.int64) * max(factor // 1_000_000, 1)
    return np.where(known, whole.astype(np.int64) * factor + rest, MISSING)


def _from_written_dates(numbers: npt.NDArray[Any]) -> IntArray | None:
    """Return moments written as YYYYMMDD, with HHMM or HHMMSS or not, or None when some value is not one."""
    low, high = float(numbers.min()), float(numbers.max())
    tail = next((t for t in (1, 10**4, 10**6) if 16780101 * t <= low and high < 22620101 * t), None)
    if tail is None or (numbers.dtype.kind == "f" and (numbers != np.floor(numbers)).any()):
        return None
    dates, clocks = np.divmod(numbers.astype(np.int64), tail)
    clocks = clocks * 100 if tail == 10**4 else clocks
    year, month, day = dates // 10_000, dates // 100 % 100, dates % 100
    hour, minute, second = clocks // 10_000, clocks // 100 % 100, clocks % 100
    if not (_within(month, 1, 12) and _within(day, 1, 31) and _within(hour, 0, 23)):
        return None
    if not (_within(minute, 0, 59) and _within(second, 0, 59)):
        return None
    months = (year - 1970) * 12 + month - 1
    first_days, next_days = ((months + i).astype("M8[M]").astype("M8[D]").view(np.int64) for i in (0, 1))
    moments = (first_days + day - 1) * DAY + ((hour * 60 + minute) * 60 + second) * SECOND
    return np.where(first_days + day <= next_days, moments, MISSING)  # there is no 30 February


def _within(values: IntArray, low: int, high: int) -> bool:
    return bool(((values >= low) & (values <= high)).all())


def _as_numbers(texts: pl.Series) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]] | None:
    """Return numbers and which of them are known, or None when the first texts are not numbers."""
    import polars as pl

    probe = texts.drop_nulls().head(_PROBE)
    for dtype in (pl.Int64, pl.Float64):
        if len(probe) and probe.cast(dtype, strict=False).null_count() == 0:
            numbers = texts.cast(dtype, strict=False)
            filled = numbers.fill_null(np.nan if dtype == pl.Float64 else 0).to_numpy()
            return filled, numbers.is_not_null().to_numpy() & np.isfinite(filled)
    return None
