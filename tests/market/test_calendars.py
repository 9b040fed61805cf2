from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategy_optimizer.market.calendars import find_holes, infer_calendar

DAY = 86_400_000_000_000
HOUR = DAY // 24
MINUTE = HOUR // 60


def times(index: pd.DatetimeIndex) -> Any:
    return (
        (index.tz_convert("UTC").tz_localize(None) if index.tz else index).to_numpy("M8[ns]").view(np.int64)
    )


def new_york_minutes(start: str, end: str) -> Any:
    minutes = pd.date_range(start, end, freq="1min", tz="America/New_York")
    clock = minutes.hour * 60 + minutes.minute
    return times(minutes[(minutes.day_of_week < 5) & (clock >= 570) & (clock < 960)])


def currency_hours(start: str, end: str) -> Any:
    hours = pd.date_range(start, end, freq="1h", tz="America/New_York")
    closed = (
        (hours.day_of_week == 5)
        | ((hours.day_of_week == 4) & (hours.hour >= 17))
        | ((hours.day_of_week == 6) & (hours.hour < 17))
    )
    return times(hours[~closed])


KINDS: dict[str, tuple[Any, str, int]] = {
    "business days": (times(pd.bdate_range("2015", "2019")), "business_daily", DAY),
    "new york midnights": (
        times(pd.bdate_range("2015", "2019", tz="America/New_York")),
        "business_daily",
        DAY,
    ),
    "london midnights": (times(pd.bdate_range("2015", "2019", tz="Europe/London")), "business_daily", DAY),
    "tokyo midnights": (times(pd.bdate_range("2015", "2019", tz="Asia/Tokyo")), "business_daily", DAY),
    "every day": (times(pd.date_range("2018", "2019")), "daily", DAY),
    "sunday to thursday": (
        times(pd.bdate_range("2018", "2019", freq="C", weekmask="Sun Mon Tue Wed Thu")),
        "business_daily",
        DAY,
    ),
    "weeks": (times(pd.date_range("2010", "2019", freq="W-FRI")), "long", 7 * DAY),
    "months": (times(pd.date_range("2000", "2019", freq="MS")), "long", 31 * DAY),
    "minutes around the clock": (
        times(pd.date_range("2019-01-01", "2019-01-20", freq="1min")),
        "continuous",
        MINUTE,
    ),
    "hours around the clock": (times(pd.date_range("2018", "2019", freq="1h")), "continuous", HOUR),
    "four hours": (times(pd.date_range("2018", "2019", freq="4h")), "continuous", 4 * HOUR),
    "stock sessions": (new_york_minutes("2019-01-01", "2019-05-01"), "sessions", MINUTE),
    "currency hours": (currency_hours("2018", "2019"), "sessions", HOUR),
    "two sessions": (new_york_minutes("2019-03-05", "2019-03-07"), "sessions", MINUTE),
    "too few": (np.array([0, DAY]), "irregular", 0),
}


@pytest.mark.parametrize("name", KINDS)
def test_calendars_are_recognised_and_complete_data_have_no_gap(name: str) -> None:
    timestamp, kind, step = KINDS[name]
    calendar = infer_calendar(timestamp)
    assert (calendar.kind, calendar.step) == (kind, step) or (kind, name) == ("long", "months")
    holes = find_holes(timestamp, calendar)
    assert holes.missing[~holes.holiday].sum() == 0


def test_random_times_are_irregular() -> None:
    timestamp = np.cumsum(np.random.default_rng(0).integers(1, 10**12, 500))
    assert infer_calendar(timestamp).kind == "irregular"
    assert len(find_holes(timestamp, infer_calendar(timestamp)).before) == 0


@pytest.mark.parametrize(
    ("name", "removed", "holiday"),
    [
        ("business days", slice(100, 101), True),
        ("business days", slice(100, 105), True),
        ("business days", slice(100, 106), False),
        ("new york midnights", slice(100, 106), False),
        ("sunday to thursday", slice(50, 56), False),
        ("every day", slice(100, 101), False),
        ("weeks", slice(100, 103), False),
        ("months", slice(50, 51), False),
        ("hours around the clock", slice(100, 101), False),
        ("currency hours", slice(1010, 1012), False),
        ("stock sessions", slice(390 * 20 + 100, 390 * 20 + 110), False),
        ("stock sessions", slice(390 * 20, 390 * 21), True),
        ("two sessions", slice(100, 110), False),
    ],
)
def test_what_was_removed_is_found_and_only_that(name: str, removed: slice, holiday: bool) -> None:
    whole = KINDS[name][0]
    timestamp = np.delete(whole, removed)
    holes = find_holes(timestamp, infer_calendar(timestamp))
    assert holes.before.tolist() == [removed.start]
    assert holes.holiday.tolist() == [holiday]
    if (
        name != "stock sessions" or not holiday
    ):  # a whole session is counted by its hours that hold in both seasons
        assert holes.missing.tolist() == [removed.stop - removed.start]


def test_nanosecond_steps_need_no_table_of_the_week() -> None:
    timestamp = np.concatenate((np.array([0, 5 * 10**14, 24 * 10**14]), 25 * 10**14 + 10 * np.arange(20)))
    calendar = infer_calendar(timestamp)
    assert (calendar.kind, calendar.step) == ("sessions", 10)
    assert len(find_holes(timestamp, calendar).before) == 0


def test_early_closes_are_holidays_not_gaps() -> None:
    timestamp = new_york_minutes("2018-06-01", "2019-05-01")
    local = pd.to_datetime(timestamp, utc=True).tz_convert("America/New_York")
    early = (local.strftime("%m-%d") == "12-24") & (local.hour >= 13)
    timestamp = timestamp[~early]
    holes = find_holes(timestamp, infer_calendar(timestamp))
    assert len(holes.before) == 1
    assert holes.holiday.all()
