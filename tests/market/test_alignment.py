from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strategy_optimizer.errors import DataError
from strategy_optimizer.market import check_bars, load_bars


def part(columns: dict[str, Any], rows: Any) -> dict[str, Any]:
    return {name: values[rows] for name, values in columns.items()}


def test_only_common_timestamps_stay_and_the_rest_is_reported(columns: dict[str, Any]) -> None:
    bars = load_bars(
        {"A": columns, "B": part(columns, slice(20, None)), "C": part(columns, np.arange(200) != 50)}
    )
    assert bars.close.shape == (179, 3)
    assert (bars.close == bars.close[:, :1]).all()
    assert bars.report is not None
    dropped = {
        p.symbol: (p.severity, p.count, p.rows[:2]) for p in bars.report.problems if p.kind == "aligned"
    }
    assert dropped == {"A": ("warning", 21, (1, 2)), "B": ("note", 1, (31,)), "C": ("warning", 20, (1, 2))}


def test_no_common_timestamps_is_an_error(columns: dict[str, Any]) -> None:
    moved = columns | {"timestamp": columns["timestamp"] + np.timedelta64(5, "h")}
    with pytest.raises(DataError, match=r"0 timestamps in common .*different hours or in different zones"):
        load_bars({"A": columns, "B": moved})


def test_problems_name_their_symbol_and_its_rows(columns: dict[str, Any]) -> None:
    close = columns["close"].copy()
    close[4] = np.nan
    report = check_bars({"A": columns, "B": columns | {"close": close}})
    assert [(p.symbol, p.kind, p.rows) for p in report.errors] == [("B", "nan", (5,))]
    assert "B: close is missing" in str(report)


def test_rows_of_a_long_table_are_those_of_the_file(columns: dict[str, Any]) -> None:
    long = {name: np.repeat(values, 2) for name, values in columns.items()}
    long["symbol"] = np.array(["X", "Y"] * 200, dtype=object)
    long["close"][7] = np.nan  # row 8 is Y's fourth
    report = check_bars(long)
    assert [(p.symbol, p.rows) for p in report.errors] == [("Y", (8,))]


def test_the_order_of_symbols_is_the_callers(columns: dict[str, Any]) -> None:
    assert load_bars({"Z": columns, "A": columns}).symbols == ("Z", "A")


def test_one_name_twice_is_an_error(columns: dict[str, Any]) -> None:
    report = check_bars({1: columns, "1": columns})
    assert [p.kind for p in report.errors] == ["symbols"]
