from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from strategy_optimizer.errors import DataError
from strategy_optimizer.market import Bars, load_bars


@pytest.fixture
def bars(columns: dict[str, Any]) -> Bars:
    return load_bars(columns)


@pytest.fixture
def frame(columns: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(columns).set_index("timestamp")


SHAPES: dict[str, Any] = {
    "index": lambda frame: frame,
    "unnamed index": lambda frame: frame.rename_axis(None),
    "column": lambda frame: frame.reset_index(),
    "capitals": lambda frame: frame.rename(columns=str.title),
    "texts": lambda frame: frame.set_index(frame.index.astype(str)),
    "unnamed texts": lambda frame: frame.set_index(frame.index.astype(str)).rename_axis(None),
    "utc": lambda frame: frame.tz_localize("UTC"),
    "zone": lambda frame: frame.tz_localize("UTC").tz_convert("America/New_York"),
    "seconds": lambda frame: frame.set_index(frame.index.as_unit("s")),
    "periods": lambda frame: frame.set_index(frame.index.to_period("D")),
    "nullable": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda frame: pl.from_pandas(frame.reset_index()),
    "polars lazy": lambda frame: pl.from_pandas(frame.reset_index()).lazy(),
    "polars dates": lambda frame: pl.from_pandas(frame.reset_index()).cast({"timestamp": pl.Date}),
    "polars zone": lambda frame: pl.from_pandas(
        frame.tz_localize("UTC").tz_convert("Asia/Tokyo").reset_index()
    ),
    "records": lambda frame: frame.to_records(),
    "dict of series": lambda frame: dict(frame.reset_index().items()),
    "dict of polars series": lambda frame: pl.from_pandas(frame.reset_index()).to_dict(),
    "dict of lists": lambda frame: frame.reset_index().to_dict("list"),
    "dict with nanoseconds": lambda frame: {
        **{name: frame[name].to_numpy() for name in frame},
        "timestamp": frame.index.to_numpy("M8[ns]").view(np.int64),
    },
    "dict of one": lambda frame: {"AAPL": frame},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_data_have_the_same_digest_from_any_source(
    frame: pd.DataFrame, bars: Bars, shape: str
) -> None:
    assert load_bars(SHAPES[shape](frame)).digest == bars.digest


def test_naive_times_are_utc_and_zones_are_kept(frame: pd.DataFrame) -> None:
    hours = (
        load_bars(frame.tz_localize("America/New_York")).timestamp % 86_400_000_000_000 // 3_600_000_000_000
    )
    assert set(hours) == {4, 5}


def test_columns_of_two_levels_are_symbols_and_holes_of_the_join_are_no_rows(frame: pd.DataFrame) -> None:
    joined = pd.concat({"AAA": frame, "BBB": frame.iloc[10:]}, axis=1)
    for wide in (joined, joined.swaplevel(axis=1)):
        bars = load_bars(wide)
        assert bars.symbols == ("AAA", "BBB")
        assert bars.n_bars == len(frame) - 10


def test_an_index_of_two_levels_is_a_long_table(frame: pd.DataFrame) -> None:
    bars = load_bars(pd.concat({"AAA": frame, "BBB": frame}, names=["symbol", "date"]))
    assert bars.symbols == ("AAA", "BBB")
    assert bars.n_bars == len(frame)


def test_sources_may_be_mixed(frame: pd.DataFrame, columns: dict[str, Any]) -> None:
    bars = load_bars({"A": frame, "B": columns, "C": pl.DataFrame(columns), "D": load_bars(columns)})
    assert bars.symbols == ("A", "B", "C", "D")
    assert (bars.close == bars.close[:, :1]).all()


CLOCKS: dict[str, Any] = {
    "texts": lambda frame: frame.astype({"date": str}).assign(time=frame["time"].astype(str)),
    "objects": lambda frame: frame.assign(date=frame["date"].dt.date),
    "datetimes": lambda frame: frame,
    "dict": lambda frame: (
        frame.astype(str).to_dict("list") | frame.drop(columns=["date", "time"]).to_dict("list")
    ),
    "polars": pl.from_pandas,
    "polars texts": lambda frame: pl.from_pandas(frame).cast({"date": pl.Date}).cast({"date": pl.String}),
}


@pytest.mark.parametrize("shape", CLOCKS)
def test_date_and_time_of_day_may_stand_apart(columns: dict[str, Any], bars: Bars, shape: str) -> None:
    frame = pd.DataFrame(columns).rename(columns={"timestamp": "date"}).assign(time=dt.time(9, 30))
    loaded = load_bars(CLOCKS[shape](frame))
    assert (loaded.timestamp - bars.timestamp).tolist() == [34_200_000_000_000] * bars.n_bars
    assert (loaded.close == bars.close).all()


def test_a_name_that_two_columns_have_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="several columns 'close'"):
        load_bars(pd.concat([frame, frame[["close"]] * 2], axis=1))


def test_loading_leaves_the_caller_alone(columns: dict[str, Any]) -> None:
    before = {name: values.copy() for name, values in columns.items()}
    bars = load_bars(columns)
    columns["close"][:] = 1.0
    assert bars.close[0] == before["close"][0]
    assert columns["close"].flags.writeable


def test_missing_objects_and_texts_are_no_numbers(columns: dict[str, Any]) -> None:
    broken = columns["close"].astype(object)
    broken[3], broken[7] = None, "n/a"
    for source in (columns | {"close": broken}, pd.DataFrame(columns | {"close": broken})):
        with pytest.raises(DataError, match="close is missing or no number") as caught:
            load_bars(source)
        assert caught.value.rows == (4, 8)


def test_null_in_polars_is_missing(columns: dict[str, Any]) -> None:
    frame = pl.DataFrame(columns).with_columns(
        pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("timestamp", "low")
    )
    with pytest.raises(DataError, match="bad_timestamp") as caught:
        load_bars(frame)
    assert caught.value.rows == (6,)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (5, "a value of type int is no market data"),
        (np.ones((9, 6)), r"a plain array of shape \(9, 6\), whose columns have no names"),
        ({}, "an empty dict"),
        ({"open": [1.0], "close": [1.0, 2.0]}, r"of one length, found open \(1,\), close \(2,\)"),
        ({"close": [1.0, 2.0]}, "no column for timestamp"),
        (pd.DataFrame({"open": [1.0]}), "no column for timestamp"),
        (pd.DataFrame([[1.0]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "two column levels"),
        ({"A": {"B": "nasdaq", "C": "nasdaq"}}, "holds several symbols itself"),
        ({"A": "nope.csv"}, "A: there is no sample and no file 'nope.csv'"),
    ],
    ids=str,
)
def test_what_is_no_market_data(source: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_bars(source)
