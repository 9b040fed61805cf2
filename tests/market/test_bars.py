from __future__ import annotations

import datetime as dt
import pickle
from typing import Any

import numpy as np
import pytest

from strategy_optimizer.errors import DataError
from strategy_optimizer.market import Bars, load_bars
from strategy_optimizer.market.bars import COLUMNS

DAY = 86_400_000_000_000


def make(n: int = 5, k: int = 1, **changes: Any) -> Bars:
    shape = (n,) if k == 1 else (n, k)
    prices = np.arange(1.0, n * k + 1).reshape(shape)
    fields: dict[str, Any] = dict.fromkeys(COLUMNS, prices) | {"timestamp": np.arange(n) * DAY}
    return Bars(**(fields | {"symbols": tuple("ABCDEF"[:k])} | changes))


def test_arrays_are_contiguous_float64_and_read_only() -> None:
    bars = make(4, 2, close=np.asfortranarray(np.ones((4, 2), dtype=np.float32)))
    for column in COLUMNS:
        array = getattr(bars, column)
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    assert bars.timestamp.dtype == np.int64
    assert not bars.timestamp.flags.writeable


def test_bars_do_not_share_memory_with_the_caller() -> None:
    prices = np.arange(1.0, 6.0)
    bars = make(close=prices)
    prices[:] = -1
    assert bars.close.tolist() == [1, 2, 3, 4, 5]
    assert prices.flags.writeable


def test_datetimes_of_any_unit_become_nanoseconds() -> None:
    days = np.arange("2020-01-01", "2020-01-06", dtype="M8[D]")
    assert make(timestamp=days).timestamp.tolist() == days.astype("M8[ns]").view(np.int64).tolist()


def test_fields_cannot_be_replaced() -> None:
    with pytest.raises(AttributeError):
        make().close = np.zeros(5)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"close": np.ones(4)}, r"close has shape \(4,\); expected \(5,\)"),
        ({"symbols": ("A", "B")}, r"open has shape \(5,\); expected \(5, 2\)"),
        ({"timestamp": np.empty(0, np.int64)}, "at least one bar"),
        ({"close": ["a"] * 5}, "close is not an array of numbers"),
    ],
)
def test_wrong_shapes_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make(**changes)


def test_one_symbol_in_two_dimensions_is_flattened() -> None:
    columns = {column: np.ones((5, 1)) for column in COLUMNS}
    assert make(**columns).close.shape == (5,)


def test_periods_per_year_follow_the_timestamps() -> None:
    assert make(11).periods_per_year == pytest.approx(365.25)
    assert load_bars("nasdaq").periods_per_year == pytest.approx(5030 / (7301 / 365.25))
    assert np.isnan(make(1).periods_per_year)


def test_slice_follows_python_and_is_a_view() -> None:
    bars = make(10)
    assert bars.slice(2, 5).timestamp.tolist() == [2 * DAY, 3 * DAY, 4 * DAY]
    assert len(bars.slice(-3)) == 3
    assert np.shares_memory(bars.slice(2, 5).close, bars.close)
    with pytest.raises(DataError, match="no bars in slice"):
        bars.slice(5, 5)


@pytest.mark.parametrize(
    ("start", "end", "n"),
    [
        ("2001", "2001", 248),  # trading days of that year
        ("2001-03", "2001-03", 22),
        ("2001-03-05", "2001-03-05", 1),
        (dt.date(2001, 3, 5), dt.datetime(2001, 3, 6, 12), 2),
        (np.datetime64("2018-12-28"), None, 2),
        (None, "1999-01-05", 2),
        ("2001-03-05 00:00", "2001-03-06T00:00:00Z", 2),
        ("2001-03-05T01:00:00+01:00", "2001-03-05 23:00", 1),
    ],
)
def test_between_is_inclusive_at_both_ends(start: Any, end: Any, n: int) -> None:
    assert load_bars("nasdaq").between(start, end).n_bars == n


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2020", None, "no bars of nasdaq from 2020 on; it has 1999-01-04 to 2018-12-31"),
        ("2005-02-30", None, "not a date"),
        ("soon", None, "'soon' is not a date"),
        ("1500", None, "nanoseconds"),
        (np.datetime64("NaT"), None, "not a date"),
        (3, None, "3 is not a date"),
    ],
)
def test_between_explains_what_it_cannot_do(start: Any, end: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_bars("nasdaq").between(start, end)


def test_digest_depends_on_every_array_and_on_nothing_else() -> None:
    bars = make()
    assert make(name="other", symbols=("Z",)).digest == bars.digest
    assert make() == bars
    assert hash(make()) == hash(bars)
    for column in COLUMNS:
        assert make(**{column: np.arange(1.0, 6.0) + 1e-12}) != bars
    assert make(timestamp=np.arange(5) * DAY + 1) != bars
    assert bars != "bars"


def test_symbols_are_identity_when_there_are_several() -> None:
    assert make(5, 2) != make(5, 2, symbols=("A", "C"))


def test_swapped_columns_are_other_data() -> None:
    prices = np.arange(1.0, 6.0)
    assert make(open=prices, close=prices + 1) != make(open=prices + 1, close=prices)


def test_digest_is_the_same_in_every_process_and_release() -> None:
    assert load_bars("nasdaq").digest == "4ed27b5788e21e1a79aec83a1352056575876a88bdc283de90cdd8f94e27a868"


def test_month_digests_recognise_the_same_history_with_new_bars() -> None:
    whole = load_bars("nasdaq")
    earlier = whole.between(None, "2010-06-15")
    old, new = earlier.month_digests(), whole.month_digests()
    assert list(new)[:2] == ["1999-01", "1999-02"]
    assert len(new) == 240
    differing = [month for month in old if old[month] != new[month]]
    assert differing == ["2010-06"]


def test_pickle_keeps_identity_and_protection() -> None:
    bars = load_bars("nasdaq").slice(0, 100)
    digest = bars.digest
    again = pickle.loads(pickle.dumps(bars))
    assert again.digest == digest
    assert again.month_digests() == bars.month_digests()
    assert not again.close.flags.writeable


def test_repr_tells_name_symbols_extent_and_bar_size() -> None:
    assert repr(make(5, 2)) == "<Bars data: 5 bars of 1 day x 2 symbols (A, B), 1970-01-01 to 1970-01-05>"
    assert repr(make(5, 6)).endswith("x 6 symbols (A, B, C, D, ...), 1970-01-01 to 1970-01-05>")
    assert repr(make(1)) == "<Bars data: 1 bars, 1970-01-01 to 1970-01-01>"
