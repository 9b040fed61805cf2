from __future__ import annotations

import json

from strategy_optimizer.market import DataReport, Problem, check_bars


def test_the_text_lists_problems_by_severity_with_rows_and_details() -> None:
    text = str(check_bars("sp500")).splitlines()
    assert text[0] == "sp500: 5,031 bars, 1999-01-04 to 2018-12-31 (5,031 rows read)"
    assert text[1] == "calendar: daily bars, Monday to Friday"
    assert text[2] == "0 errors, 1 warning, 1 note"
    assert text[3].startswith("  warning stale_open: 51% of the opens")
    assert text[4] == "          1999-2005: 97% to 100%"
    assert "rows are counted from 1" in text[-1]


def test_the_report_is_plain_values_for_json() -> None:
    data = json.loads(json.dumps(check_bars("sp500").to_dict()))
    assert data["ok"] is True
    assert data["problems"][0]["kind"] == "stale_open"
    assert data["n_bars"] == 5031


def test_a_report_without_errors_raises_nothing() -> None:
    DataReport("x", (Problem("gap", "warning", (), "a gap"),), 1, 1).raise_errors()
