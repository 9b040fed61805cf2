from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strategy_optimizer.errors import DataError
from strategy_optimizer.market import REPAIRS, load_bars


def notes(bars: Any) -> list[str]:
    return [str(p) for p in bars.report.notes if p.kind == "repaired"]


@pytest.fixture
def broken(columns: dict[str, Any]) -> dict[str, Any]:
    """One problem of each kind; rows 10 NaN, 20 negative, 30 crossed, 40 outside, 50 volume."""
    data = {name: values.copy() for name, values in columns.items()}
    data["close"][9] = np.nan
    data["open"][19] = -1.0
    data["high"][29], data["low"][29] = data["low"][29], data["high"][29]
    data["close"][39] = data["high"][39] * 1.1
    data["volume"][49] = np.nan
    order = np.arange(200)
    order[[60, 61]] = [61, 60]
    order = np.insert(order, 80, 79)  # row 81 repeats row 80
    return {name: values[order] for name, values in data.items()}


ALL = tuple(REPAIRS)


def test_all_repairs_together(broken: dict[str, Any], columns: dict[str, Any]) -> None:
    broken["volume"][80] = 77.0
    bars = load_bars(broken, repair=ALL)
    assert bars.n_bars == 198
    assert (np.diff(bars.timestamp) > 0).all()
    assert bars.volume[77] == 77.0  # the last row of a timestamp stays
    assert notes(bars) == [
        "dropped 1 row with missing or unreadable values (row 10)",
        "sorted the rows by time (rows 61, 62)",
        "dropped 1 row whose timestamp comes again (row 80)",
        "dropped 1 row with prices of zero or less (row 20)",
        "made the volume zero in 1 row (row 50)",
        "swapped high and low in 1 row (row 30)",
        "widened high and low in 1 row (row 40)",
    ]


@pytest.mark.parametrize("left_out", [name for name in ALL if name != "close_only"])
def test_nothing_is_repaired_that_was_not_asked(broken: dict[str, Any], left_out: str) -> None:
    with pytest.raises(DataError) as caught:
        load_bars(broken, repair=[name for name in ALL if name != left_out])
    assert f'--repair {left_out} (Python: repair="{left_out}")' in str(caught.value)


def test_repairs_of_good_data_change_nothing(columns: dict[str, Any]) -> None:
    assert load_bars(columns, repair=ALL) == load_bars(columns)
    assert notes(load_bars(columns, repair=ALL)) == []


def test_repairs_in_one_text_and_their_order_is_fixed(broken: dict[str, Any]) -> None:
    assert load_bars(broken, repair=", ".join(reversed(ALL))) == load_bars(broken, repair=ALL)


def test_swapped_prices_stay_the_same_two(columns: dict[str, Any]) -> None:
    crossed = columns | {"high": columns["low"], "low": columns["high"]}
    assert load_bars(crossed, repair="swap_high_low") == load_bars(columns)


def test_an_unknown_repair_is_refused() -> None:
    with pytest.raises(DataError, match=r"no repair 'sorted'; did you mean 'sort'\?; known are"):
        load_bars("nasdaq", repair=("sorted",))


def test_a_repair_never_changes_what_the_caller_gave(broken: dict[str, Any]) -> None:
    before = {name: values.copy() for name, values in broken.items()}
    load_bars(broken, repair=ALL)
    for name, values in broken.items():
        np.testing.assert_array_equal(values, before[name])
