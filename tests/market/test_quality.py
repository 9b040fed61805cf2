from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from strategy_optimizer.errors import DataError
from strategy_optimizer.market import (
    Bars,
    DataReport,
    Garch,
    Problem,
    check_bars,
    load_bars,
    synthetic_market,
)
from strategy_optimizer.market.bars import COLUMNS


def problem(report: DataReport, kind: str) -> Problem:
    found = [problem for problem in report.problems if problem.kind == kind]
    assert len(found) == 1, [str(p) for p in report.problems]
    return found[0]


def broken(columns: dict[str, Any], column: str, row: int, value: float) -> dict[str, Any]:
    values = columns[column].copy()
    values[row - 1] = value
    return columns | {column: values}


def test_clean_data_have_no_problem(columns: dict[str, Any]) -> None:
    report = check_bars(columns)
    assert report.ok
    assert report.problems == ()
    assert report.calendar == "daily bars, Monday to Friday"
    assert (report.n_rows, report.n_bars) == (200, 200)


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("open", np.nan, "nan"),
        ("high", np.inf, "nan"),
        ("volume", np.nan, "nan"),
        ("low", 0.0, "nonpositive"),
        ("low", -1.0, "nonpositive"),
        ("volume", -1.0, "negative_volume"),
        ("high", 1.0, "high_below_low"),
        ("close", 1.0, "outside_range"),
        ("open", 1e6, "outside_range"),
    ],
)
def test_each_broken_number_is_an_error_with_its_row(
    columns: dict[str, Any], column: str, value: float, kind: str
) -> None:
    data = broken(columns, column, 42, value)
    found = problem(check_bars(data), kind)
    assert (found.severity, found.rows, found.count) == ("error", (42,), 1)
    with pytest.raises(DataError) as caught:
        load_bars(data)
    assert caught.value.rows == (42,)
    assert "repair=" in str(caught.value)


def test_all_problems_are_reported_at_once(columns: dict[str, Any]) -> None:
    data = broken(broken(broken(columns, "close", 3, np.nan), "open", 7, -1.0), "high", 9, 0.5)
    times = columns["timestamp"].copy()
    times[[20, 21]] = times[[21, 20]]
    times[30] = times[29]
    times[40] = np.datetime64("NaT")
    with pytest.raises(DataError) as caught:
        load_bars(data | {"timestamp": times})
    text = str(caught.value)
    for kind in ("nan", "nonpositive", "high_below_low", "unsorted", "duplicate", "bad_timestamp"):
        assert f"- {kind}:" in text
    assert {3, 7, 9, 22, 31, 41} <= set(caught.value.rows)


def test_many_rows_are_counted_and_the_first_shown(columns: dict[str, Any]) -> None:
    close = columns["close"].copy()
    close[50:] = np.nan
    found = problem(check_bars(columns | {"close": close}), "nan")
    assert found.count == 150
    assert found.rows == tuple(range(51, 71))
    assert "(rows 51, 52, 53, 54, 55 and 145 more)" in str(found)


def test_rows_from_new_to_old_are_called_so(columns: dict[str, Any]) -> None:
    found = problem(check_bars({name: values[::-1] for name, values in columns.items()}), "unsorted")
    assert found.message.startswith("rows run from new to old")


def test_rounding_is_no_error(columns: dict[str, Any]) -> None:
    high = np.maximum(columns["open"], columns["close"]) * (1 - 1e-9)
    found = problem(check_bars(columns | {"high": high}), "rounding")
    assert found.severity == "note"
    assert load_bars(columns | {"high": high}).n_bars == 200


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_short(columns: dict[str, Any], n: int) -> None:
    data = {name: values[:n] for name, values in columns.items()}
    if n == 0:
        with pytest.raises(DataError, match="no rows"):
            load_bars(data)
    elif n == 1:
        with pytest.raises(DataError, match="1 row, needed are at least 2"):
            load_bars(data)
    else:
        assert [p.kind for p in load_bars(data).report.warnings] == ["few_bars"]  # type: ignore[union-attr]


def test_too_short_counts_only_usable_rows(columns: dict[str, Any]) -> None:
    close = np.full(200, np.nan)
    close[5] = columns["close"][5]
    assert "1 usable row" in problem(check_bars(columns | {"close": close}), "too_short").message


def test_closes_alone_are_refused_until_asked(columns: dict[str, Any]) -> None:
    data = {"timestamp": columns["timestamp"], "close": columns["close"]}
    with pytest.raises(DataError, match="only closes were found"):
        load_bars(data)
    bars = load_bars(data, repair="close_only")
    assert (bars.high == bars.close).all()
    assert (bars.volume == 0).all()


def test_missing_volume_is_a_note(columns: dict[str, Any]) -> None:
    del columns["volume"]
    bars = load_bars(columns)
    assert bars.report is not None
    assert [p.kind for p in bars.report.notes] == ["no_volume"]


def test_zero_volume_by_its_share(columns: dict[str, Any]) -> None:
    few, many, all_zero = (columns["volume"] * (np.arange(200) >= k) for k in (1, 20, 200))
    assert problem(check_bars(columns | {"volume": few}), "zero_volume").severity == "note"
    assert problem(check_bars(columns | {"volume": many}), "zero_volume").severity == "warning"
    assert problem(check_bars(columns | {"volume": all_zero}), "no_volume").severity == "note"


def test_stale_opens_of_the_sample_by_year() -> None:
    found = problem(check_bars("sp500"), "stale_open")
    assert found.severity == "warning"
    assert found.message.startswith("51% of the opens equal the previous close")
    assert found.details[0] == "1999-2005: 97% to 100%"
    assert not [p for p in check_bars("nasdaq").problems if p.kind == "stale_open"]


def test_stale_opens_around_the_clock_are_only_a_note() -> None:
    assert problem(check_bars(synthetic_market(5000, bar="1h")), "stale_open").severity == "note"


@pytest.fixture
def calm() -> Callable[..., dict[str, Any]]:
    """Bars of a volatile market, without their read-only protection."""

    def make(**options: Any) -> dict[str, Any]:
        bars = synthetic_market(3000, Garch(), overnight=0.2, seed=11, **options)
        return {column: getattr(bars, column).copy() for column in (*COLUMNS, "timestamp")}

    return make


@pytest.mark.parametrize("bar", ["1d", "1m"])
def test_a_bad_tick_is_a_spike_in_close_high_and_low(calm: Callable[..., dict[str, Any]], bar: str) -> None:
    data = calm(bar=bar)
    for column in ("close", "high"):
        data[column][1499] *= 2.0
    data["high"][1999] *= 1.5
    data["low"][2499] *= 0.6
    found = {(p.message.split()[0], p.rows) for p in check_bars(data).problems if p.kind == "spike"}
    assert found == {("close", (1500,)), ("high", (2000,)), ("low", (2500,))}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bar", ["1d", "1h"])
def test_a_wild_market_has_no_spikes(seed: int, bar: str) -> None:
    bars = synthetic_market(20_000, Garch(tails=4.0), seed=seed, overnight=0.3, bar=bar)
    assert not [str(p) for p in check_bars(bars).problems if p.kind in ("spike", "jump")]


def test_real_crashes_are_no_spikes() -> None:
    for name in ("sp500", "nasdaq"):
        assert not [str(p) for p in check_bars(name).problems if p.kind in ("spike", "jump")]


def test_an_unadjusted_split_is_a_jump(calm: Callable[..., dict[str, Any]]) -> None:
    data = calm()
    for column in ("open", "high", "low", "close"):
        data[column][1000:] /= 2
    found = problem(check_bars(data), "jump")
    assert found.rows == (1001,)
    assert "x 0.5" in found.message or "x 0.4" in found.message


def test_a_close_that_never_moves() -> None:
    ones = np.ones(300)
    times = np.arange(300) * 86_400_000_000_000
    data = dict.fromkeys(COLUMNS, ones) | {"timestamp": times}
    assert problem(check_bars(data), "constant").severity == "warning"


def test_times_of_1970_raise_a_question(columns: dict[str, Any]) -> None:
    times = np.arange(200, dtype=np.int64).astype("M8[h]").astype("M8[ns]")
    assert problem(check_bars(columns | {"timestamp": times}), "epoch").severity == "warning"


def test_bars_made_by_hand_are_checked_and_loaded_ones_keep_their_report() -> None:
    prices = np.array([1.0, np.nan, 3.0])
    bars = Bars(prices, prices, prices, prices, np.zeros(3), np.arange(3) * 86_400_000_000_000)
    assert not check_bars(bars).ok
    with pytest.raises(DataError):
        load_bars(bars)
    loaded = load_bars("nasdaq")
    assert check_bars(loaded) is loaded.report
    assert load_bars(loaded) is loaded
    assert check_bars(loaded, end="1999").n_bars == 252
    assert load_bars(loaded, name="mine").name == "mine"
    assert load_bars(loaded.slice(0, 300)).report is not None


def test_rows_keep_their_numbers_when_a_period_is_cut(columns: dict[str, Any]) -> None:
    data = broken(broken(columns, "close", 10, np.nan), "close", 150, np.nan)
    start = columns["timestamp"][99]
    assert problem(check_bars(data, start=start), "nan").rows == (150,)
    assert load_bars(data, start=start, end=columns["timestamp"][120]).n_bars == 22
    with pytest.raises(DataError, match=r"no rows of data from 2030 on; it has 2020-01-06 to"):
        load_bars(data, start="2030")
