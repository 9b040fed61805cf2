"""Calendars: the bar size and the trading hours that the timestamps themselves show, and the holes in them.

Nothing is known of exchanges. A weekday, or a time of the week, belongs to the calendar when most weeks have
a bar there; weekends and nights are therefore no holes, and a hole of a few trading days may be a holiday.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from strategy_optimizer.market.bars import IntArray
from strategy_optimizer.market.moments import DAY, HOUR, SECOND, span_text

WEEK = 7 * DAY
HOLIDAY_DAYS = 5  # trading days in a row that may be holidays; longer holes are gaps
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONDAY = 4 * DAY  # the first Monday of 1970 was its fifth day
_REGULAR = 0.5  # share of steps that must be the usual one
_WEEKDAY_SHARE = 0.25  # of the busiest weekday's bars
_SLOT_SHARE = 0.75  # of the weeks: above the share of a summer time, so that clock changes are no holes
_WEEKS_NEEDED = 4
_LONG_HOLE = 12 * HOUR


@dataclass(frozen=True)
class Calendar:
    """What the timestamps show.

    Attributes
    ----------
    kind : {'business_daily', 'daily', 'long', 'sessions', 'continuous', 'irregular'}
        Daily bars with or without free weekdays, longer bars, intraday bars with or without breaks.
    step : int
        The usual distance of two bars in nanoseconds.
    text : str
        For people.
    """

    kind: str
    step: int
    text: str


@dataclass(frozen=True)
class Holes:
    """Places where the calendar expects bars that are missing.

    Attributes
    ----------
    before : (k,) int64
        Index of the first bar after each hole.
    missing : (k,) int64
        Bars expected in it.
    holiday : (k,) bool
        Whether it may be a holiday or a shortened session.
    """

    before: IntArray
    missing: IntArray
    holiday: npt.NDArray[np.bool_]


def infer_calendar(timestamp: IntArray) -> Calendar:
    """Return the calendar of strictly increasing timestamps.

    >>> day = 86_400_000_000_000
    >>> infer_calendar(np.array([0, 1, 4, 5, 6, 7, 8, 11]) * day).text
    'daily bars, Monday to Friday'
    """
    if len(timestamp) < 3:
        return Calendar("irregular", 0, "too few bars to tell")
    steps = np.diff(timestamp)
    step = _usual_step(steps)
    if step >= 6 * DAY:
        return Calendar("long", step, f"bars of {span_text(step)}")
    if DAY - 2 * HOUR <= step <= DAY + 2 * HOUR:
        open_days = _weekdays_seen(timestamp)
        text = "every day" if open_days.all() else _days_text(open_days)
        return Calendar("daily" if open_days.all() else "business_daily", DAY, f"daily bars, {text}")
    if np.mean(steps == step) < _REGULAR or step >= DAY:
        return Calendar("irregular", step, "irregular distances; gaps cannot be told")
    if _is_continuous(timestamp, step):
        return Calendar("continuous", step, f"bars of {span_text(step)} around the clock, every day")
    return Calendar("sessions", step, f"bars of {span_text(step)} in trading sessions")


def _usual_step(steps: IntArray) -> int:
    """Return the commonest step, from a sample of many."""
    sample = steps[:: max(len(steps) // 50_000, 1)]
    values, counts = np.unique(sample, return_counts=True)
    if counts.max() < _REGULAR * len(sample):
        return int(np.median(sample))  # months and clock changes have no commonest step
    return int(values[counts.argmax()])


def _is_continuous(timestamp: IntArray, step: int) -> bool:
    """Whether every weekday and every hour of the day (or longer step) has its share of bars."""
    part = max(step, HOUR)
    parts = -(-DAY // part)  # a day
    counts = np.bincount(
        (timestamp - _MONDAY) // DAY % 7 * parts + timestamp % DAY // part, minlength=7 * parts
    )
    table = counts.reshape(7, parts)
    by_part = table.sum(axis=0) > 0.2 * table.sum() / parts
    if int(timestamp[-1] - timestamp[0]) < WEEK:
        return bool(by_part.all()) and int(np.diff(timestamp).max()) < _LONG_HOLE
    by_day = table.sum(axis=1) > _WEEKDAY_SHARE * table.sum() / 7
    return bool(by_part.all() and by_day.all())


def day_numbers(timestamp: IntArray) -> IntArray:
    """Return days since 1970 of daily bars, whatever the hour (and clock changes) they are stamped with."""
    clock = int(np.median(timestamp[:1000] % DAY))
    return np.asarray((timestamp - clock + DAY // 2) // DAY, dtype=np.int64)


def _weekdays_seen(timestamp: IntArray) -> npt.NDArray[np.bool_]:
    counts = np.bincount((day_numbers(timestamp) - _MONDAY // DAY) % 7, minlength=7)
    return np.asarray(counts >= _WEEKDAY_SHARE * counts.max())


def _days_text(open_days: npt.NDArray[np.bool_]) -> str:
    names = [name for name, is_open in zip(_WEEKDAYS, open_days, strict=True) if is_open]
    return "Monday to Friday" if names == list(_WEEKDAYS[:5]) else ", ".join(names)


def find_holes(timestamp: IntArray, calendar: Calendar) -> Holes:
    """Return where bars are missing that the calendar expects."""
    if calendar.kind in ("business_daily", "daily"):
        return _daily_holes(timestamp, calendar)
    if calendar.kind == "long":
        return _long_holes(timestamp, calendar.step)
    if calendar.kind in ("sessions", "continuous"):
        return _intraday_holes(timestamp, calendar)
    return _holes(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.bool_))


def _holes(before: IntArray, missing: IntArray, holiday: npt.NDArray[np.bool_]) -> Holes:
    real = missing > 0
    return Holes(before[real], missing[real], holiday[real])


def _daily_holes(timestamp: IntArray, calendar: Calendar) -> Holes:
    days = day_numbers(timestamp) - _MONDAY // DAY
    before = np.flatnonzero(np.diff(days) > 1) + 1
    missing = _slots_between(days[before - 1], days[before], _weekdays_seen(timestamp))
    return _holes(before, missing, (missing <= HOLIDAY_DAYS) & (calendar.kind == "business_daily"))


def _long_holes(timestamp: IntArray, step: int) -> Holes:
    steps = np.diff(timestamp)
    before = np.flatnonzero(steps > 1.75 * step) + 1
    missing = np.round(steps[before - 1] / step).astype(np.int64) - 1
    return _holes(before, missing, np.zeros(len(before), np.bool_))


def _intraday_holes(timestamp: IntArray, calendar: Calendar) -> Holes:
    step = calendar.step
    before = np.flatnonzero(np.diff(timestamp) > step) + 1
    left, right = timestamp[before - 1] - _MONDAY, timestamp[before] - _MONDAY
    skipped = (right - left) // step - 1
    no_holiday = np.zeros(len(before), np.bool_)
    if calendar.kind == "continuous":
        return _holes(before, skipped, no_holiday)
    weeks = int(timestamp[-1] - timestamp[0]) / WEEK
    if (
        weeks < _WEEKS_NEEDED or WEEK % step or step < SECOND
    ):  # the week cannot be known: holes within a day only
        return _holes(before, np.where(left // DAY == right // DAY, skipped, 0), no_holiday)
    slots = (timestamp - _MONDAY) // step
    expected = np.bincount(slots % (WEEK // step), minlength=WEEK // step) >= _SLOT_SHARE * weeks
    missing = _slots_between(slots[before - 1], slots[before], expected)
    days_open = np.unique(np.flatnonzero(expected) * step // DAY).size
    a_few_days = HOLIDAY_DAYS * expected.sum() / max(days_open, 1)
    return _holes(before, missing, (right - left >= _LONG_HOLE) & (missing <= a_few_days))


def _slots_between(left: IntArray, right: IntArray, expected: npt.NDArray[np.bool_]) -> IntArray:
    """Return how many expected slots lie strictly between; `expected` repeats for ever from slot 0."""
    counts = np.concatenate(([0], np.cumsum(expected)))

    def up_to(slots: IntArray) -> IntArray:  # expected slots before `slots`
        return np.asarray(slots // len(expected) * counts[-1] + counts[slots % len(expected)], dtype=np.int64)

    return up_to(right) - up_to(left + 1)
