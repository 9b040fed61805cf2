from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest

from strategy_optimizer.errors import DataError
from strategy_optimizer.market.moments import MISSING, parse_moment
from strategy_optimizer.market.timestamps import to_nanoseconds

MOMENT = np.datetime64("2021-03-04T05:06:07", "ns").astype(np.int64)
MINUTE = np.datetime64("2021-03-04T05:06", "ns").astype(np.int64)
DAY = np.datetime64("2021-03-04", "ns").astype(np.int64)


def text(*values: str | None) -> pl.Series:
    return pl.Series(list(values), dtype=pl.String)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2021-03-04", DAY),
        ("2021-03-04 05:06", MINUTE),
        ("2021-03-04 05:06:07", MOMENT),
        ("2021-03-04T05:06:07", MOMENT),
        ("2021-03-04T05:06:07Z", MOMENT),
        ("2021-03-04T05:06:07.000Z", MOMENT),
        ("2021-03-04T05:06:07+00:00", MOMENT),
        ("2021-03-04 00:06:07-05:00", MOMENT),
        ("2021-03-04 00:06:07-0500", MOMENT),
        ("2021-03-04 05:06:07.123456789", MOMENT + 123_456_789),
        ("2021/03/04", DAY),
        ("2021.03.04 05:06", MINUTE),
        ("20210304 050607", MOMENT),
        ("20210304 05:06:07", MOMENT),
        ("20210304", DAY),
        ("202103040506", MINUTE),
        ("20210304050607", MOMENT),
        ("04-Mar-2021", DAY),
        ("4-Mar-21", DAY),
        ("Mar 4, 2021", DAY),
        ("March 4, 2021", DAY),
        ("04.03.2021 05:06:07", MOMENT),
        ("4.3.2021", DAY),
        ("1614834367", MOMENT),
        ("1614834367000", MOMENT),
        ("1614834367000000", MOMENT),
        ("1614834367000000000", MOMENT),
        ("1614834367.5", MOMENT + 500_000_000),
    ],
)
def test_usual_ways_of_writing_a_moment(written: str, expected: int) -> None:
    numbers, _ = to_nanoseconds(text(written, None, written))
    assert numbers.tolist() == [expected, MISSING, expected]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["03/25/2021", "03/26/2021"], "2021-03-25"),
        (["25/03/2021", "26/03/2021"], "2021-03-25"),
        (["25-03-2021", "26-03-2021"], "2021-03-25"),
        (["3/25/21", "3/26/21"], "2021-03-25"),
        (["3/4/2021 4:05 PM", "3/25/2021 4:05 PM"], "2021-03-04T16:05"),
        (["10/11/2021", "11/11/2021", "01/12/2021"], "2021-11-10"),  # only day first is in sequence
        (["01/12/2021", "11/11/2021", "10/11/2021"], "2021-12-01"),  # from new to old
    ],
)
def test_day_and_month_are_told_apart_by_the_data(values: list[str], expected: str) -> None:
    assert to_nanoseconds(text(*values))[0][0] == np.datetime64(expected, "ns").astype(np.int64)


def test_day_and_month_that_cannot_be_told_apart_are_an_error_with_the_fix() -> None:
    with pytest.raises(DataError, match=r"2021-03-04 .* or 2021-04-03 .*columns=.*%d/%m/%Y"):
        to_nanoseconds(text("03/04/2021"))
    numbers, _ = to_nanoseconds(text("03/04/2021"), fmt="%d/%m/%Y")
    assert str(numbers[0].astype("M8[ns]"))[:10] == "2021-04-03"


def test_a_column_may_mix_iso_formats_and_offsets() -> None:
    values = text(
        "2021-03-04", "2021-03-04 05:06", "2021-03-04T00:06:07-05:00", "2021-03-04T01:06:07-04:00", "x"
    )
    assert to_nanoseconds(values)[0].tolist() == [DAY, MINUTE, MOMENT, MOMENT, MISSING]


def test_years_that_nanoseconds_cannot_express_are_missing_not_wrapped() -> None:
    assert to_nanoseconds(text("2021-03-04", "0021-03-04", "2500-01-01"))[0].tolist() == [
        DAY,
        MISSING,
        MISSING,
    ]
    assert to_nanoseconds(np.array(["2500-01-01", "2021-03-04"], dtype="M8[D]"))[0].tolist() == [MISSING, DAY]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_unix_numbers_in_any_unit(unit: str, dtype: Any) -> None:
    moments = np.array([DAY, MINUTE, MOMENT])
    factor = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    numbers, note = to_nanoseconds((moments // factor).astype(dtype))
    assert np.abs(numbers - moments).max() < (512 if dtype is np.float64 and unit == "ns" else 1)
    assert "Unix" in note


@pytest.mark.parametrize("text", ["1677-12-31", "2262-04-12", "2262-12", "2300"])
def test_a_moment_that_nanoseconds_cannot_express_is_an_error_not_another_one(text: str) -> None:
    with pytest.raises(DataError, match="outside the years 1678 to 2262"):
        parse_moment(text)


def test_a_day_that_a_month_does_not_have_is_missing_not_one_of_the_next() -> None:
    numbers, _ = to_nanoseconds(np.array([20210228, 20210229, 20210230, 20240229, 20211131]))
    days = [str(np.datetime64(n, "ns"))[:10] if n != MISSING else "" for n in numbers.tolist()]
    assert days == ["2021-02-28", "", "", "2024-02-29", ""]


def test_nanoseconds_from_1970_are_not_taken_for_another_unit() -> None:
    moments = np.arange(1000) * 86_400_000_000_000
    assert (to_nanoseconds(moments)[0] == moments).all()


def test_float_nan_is_missing() -> None:
    assert to_nanoseconds(np.array([1614834367.0, np.nan]))[0].tolist() == [MOMENT, MISSING]


def test_a_unit_may_be_said() -> None:
    assert to_nanoseconds(np.array([86_400_000]), fmt="ms")[0].tolist() == [86_400_000 * 10**6]
    with pytest.raises(DataError, match="must be a unit"):
        to_nanoseconds(np.array([86_400_000]), fmt="%Y")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.arange(10), "too small for Unix times"),
        (text("first", "second"), r"texts like 'first', 'second' in no known format"),
    ],
)
def test_what_is_no_time_is_an_error(values: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_nanoseconds(values)


def test_a_format_that_fits_nothing_is_an_error() -> None:
    with pytest.raises(DataError, match="none of which fits the format"):
        to_nanoseconds(text("2021-03-04"), fmt="%d/%m/%Y")


def test_objects_of_python_and_zones() -> None:
    zone = dt.timezone(dt.timedelta(hours=-5))
    values = [dt.datetime(2021, 3, 4, 0, 6, 7, tzinfo=zone), None, dt.datetime(2021, 3, 4, 5, 6, 7)]
    assert to_nanoseconds(np.array(values, dtype=object))[0].tolist() == [MOMENT, MISSING, MOMENT]
    assert to_nanoseconds(np.array([dt.date(2021, 3, 4)], dtype=object))[0].tolist() == [DAY]
    assert to_nanoseconds(np.array(["2021-03-04", None], dtype=object))[0].tolist() == [DAY, MISSING]


def test_nothing_but_missing_values() -> None:
    assert to_nanoseconds(text(None, None))[0].tolist() == [MISSING, MISSING]
    assert to_nanoseconds(np.array([np.nan]))[0].tolist() == [MISSING]
