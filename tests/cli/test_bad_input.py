"""Wrong calls, data, files and strategies: one clear error each, exit code 2, nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


def refused(call, *arguments: object, code: int = 2) -> str:
    """Return the error of a call that must end with one message, the code and an empty stdout."""
    outcome = call(*arguments)
    assert outcome.code == code, (outcome.code, outcome.out, outcome.err)
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    message = outcome.err[outcome.err.index("error: ") + len("error: ") :]
    assert message.strip()
    return message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["momentun"], "there is no strategy 'momentun'; did you mean 'momentum'?"),
        (["nowhere.py"], "the file nowhere.py does not exist"),
        (["no_such_package.module:Class"], "there is no module 'no_such_package.module'"),
        (["momentum", "--objective", "sharp_ratio"], "no metric 'sharp_ratio'; did you mean 'sharpe_ratio'?"),
        (["momentum", "--objective", "sharpe_ratio:x"], "expected a number"),
        (["momentum", "--objective", "none.json"], "none.json cannot be read"),
        (["momentum", "--require", "trade >= 30"], "no metric 'trade'; did you mean 'trades'?"),
        (["momentum", "--require", "trades > 30"], "uses '>'; expected a metric, >= or <="),
        (["momentum", "--require", "max_drawdown <= 25%"], "fractions, not percent"),
        (["momentum", "--data", "nasdak"], "no sample and no file 'nasdak'; did you mean 'nasdaq'?"),
        (["momentum", "-d", "nasdaq", "-d", "nasdaq"], "--data names 'nasdaq' twice"),
        (["momentum", "--from", "2012", "--to", "2011"], "--from 2012 comes after --to 2011"),
        (["momentum", "--from", "2030"], "it has 1999-01-04 to 2018-12-31"),
        (["momentum", "--to", "1990"], "it has 1999-01-04 to 2018-12-31"),
        (["momentum", "--from", "yesterday"], "--from: 'yesterday' is not a date"),
        (["momentum", "--to", "2012-13"], "--to: '2012-13' is not a date"),
        (["momentum", "--from", "2018-12-20"], "bars"),
        (["momentum", "--constraint", "stop_loss <"], "--constraint: "),
        (["momentum", "--constraint", "stop_los < take_profit"], "did you mean 'stop_loss'"),
        (["momentum", "--constraint", "__import__('os')"], "--constraint: "),
        (["momentum", "--constraint", "lookback_period > 1000"], "no feasible point"),
        (["momentum", "-p", "lookback=5"], "there is no parameter 'lookback'"),
        (["momentum", "-p", "lookback_period=5"], "outside the bounds (10, 100)"),
        (["momentum", "-p", "lookback_period=ten"], "must be a number, found 'ten'"),
        (["momentum", "-p", "lookback_period=10.5"], "must be a whole number"),
        (["momentum", "-p", "lookback_period"], "expected NAME=VALUE"),
        (["ma_cross", "-p", "ma=smma"], "not one of the choices"),
        (["momentum", "--time", "soon"], "the time 'soon' cannot be read"),
        (["momentum", "--time", "0s"], "is zero"),
        (["momentum", "--evaluations", "0"], "evaluations is 0; expected a whole number from 1 up"),
        (["momentum", "--patience", "0"], "patience is 0"),
        (["momentum", "--patience", "aut"], "'aut' is not a whole number, such as 500, or auto"),
        (["momentum", "--target", "nan"], "target is nan"),
        (["momentum", "--holdout", "1"], "holdout is 1.0; expected a fraction"),
        (["momentum", "--optimizer", "gaa"], "unknown optimizer 'gaa'"),
        (["momentum", "--optimizer", "ga", "--setting", "mutation_rat=0.1"], "did you mean 'mutation_rate'?"),
        (["momentum", "--setting", "a=2", "--setting", "a=3"], "--setting gives 'a' twice"),
        (
            ["momentum", "--optimizer", "ga", "--setting", "mutation_rate=2"],
            "expected a number between 0 and 1",
        ),
        (["momentum", "--setting", "population_size=10", "--population", "20"], "is given twice"),
        (["momentum", "--commission", "5"], "it is a fraction"),
        (["momentum", "--slippage", "-0.1"], "slippage is -0.1"),
        (["momentum", "--cash", "0"], "cash is 0.0"),
        (["momentum", "--fill", "next_close"], "fill is 'next_close'; expected one of next_open, close"),
        (["momentum", "--workers", "0"], "workers is 0; expected a whole number from 1 up"),
        (["momentum", "--repair", "everything"], "everything"),
        (["momentum", "--checkpoint", "/proc/nothing/here"], "/proc/nothing/here"),
        (["momentum", "--checkpoint", ""], "the name of the folder is empty"),
        (["momentum", "--generations", "5"], "add --population, or say --evaluations instead"),
        (["momentum", "--objective", "sharp"], "no metric 'sharp'; did you mean 'sharpe_ratio'?"),
        (
            ["momentum", "--prune", "0.01"],
            "there is no --prune here; it is an option of optimize-engine; see",
        ),
        (["momentum", "--train", "3y"], "there is no --train here; it is an option of walk-forward; see"),
    ],
)
def test_a_wrong_option(call, arguments: list[str], message: str) -> None:
    few = [] if "--evaluations" in arguments else ["--evaluations", "20"]
    assert message in refused(call, "optimize", *arguments, *few)


# --- data ---------------------------------------------------------------------------------------------------


@pytest.fixture
def prices(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a CSV of 300 daily bars with something wrong in it."""

    def write(spoil: Callable[[list[list[str]]], object] | None = None, header: str | None = None) -> Path:
        close = 100 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.01, 300)))
        days = np.arange("2020-01-01", "2020-10-27", dtype="M8[D]")
        rows = [
            [str(day), f"{c:.4f}", f"{c * 1.01:.4f}", f"{c * 0.99:.4f}", f"{c * 1.001:.4f}", "1000"]
            for day, c in zip(days, close, strict=True)
        ]
        if spoil is not None:
            spoil(rows)
        lines = [header or "Date,Open,High,Low,Close,Volume", *(",".join(row) for row in rows)]
        path = tmp_path / "prices.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("close", "--columns 'close' cannot be read; expected ROLE=COLUMN"),
        ("close=Schluss,open", "--columns 'close=Schluss,open' cannot be read"),
        ("=Schluss", "cannot be read"),
        ("clsoe=Schluss", "there is no role 'clsoe'; did you mean 'close'?; the roles are timestamp, open"),
        ("Schluss=close", "the role comes first: close=Schluss"),
        ("close=Schluss,Close=High", "--columns gives 'close' twice"),
        ("close=Schlus", "prices.csv has no column 'Schlus'; did you mean 'Schluss'?; found 'Date'"),
        ("format=%d/%m/%Y", "timestamp=Date,format=%d/%m/%Y"),
        ("close=Schluss,timestamp=Date,format=%d/%m/%Y", "none of which fits the format '%d/%m/%Y'"),
    ],
)
def test_columns_that_cannot_be_understood(call, prices, typed: str, message: str) -> None:
    path = prices(header="Date,Open,High,Low,Schluss,Volume")
    assert message in refused(call, "check", "-", "--data", path, "--columns", typed)


def test_a_sample_has_no_columns_to_name(call) -> None:
    assert "the columns of nasdaq are known" in refused(call, "check", "-", "--columns", "close=Close")


def set_cell(row: int, column: int, value: str) -> Callable[[list[list[str]]], object]:
    def spoil(rows: list[list[str]]) -> None:
        rows[row][column] = value

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (set_cell(40, 4, ""), "row 41"),
        (set_cell(40, 4, "NaN"), "row 41"),
        (set_cell(40, 4, "-5"), "row 41"),
        (lambda rows: rows.insert(11, rows[10]), "row"),
        (lambda rows: rows.reverse(), "row"),
        (set_cell(40, 2, "1"), "row 41"),
        (set_cell(40, 0, "not a day"), "row 41"),
    ],
)
def test_data_that_cannot_be_used_name_the_row(call, prices, spoil, message: str) -> None:
    error = refused(call, "optimize", "momentum", "--data", prices(spoil))
    assert "problem" in error
    assert message in error


def test_all_problems_come_at_once(call, prices) -> None:
    def spoil(rows: list[list[str]]) -> None:
        rows[40][4], rows[50][3] = "-5", "999"

    error = refused(call, "optimize", "momentum", "--data", prices(spoil))
    assert "row 41" in error
    assert "row 51" in error


def test_data_can_be_mended_when_asked(call, prices) -> None:
    path = prices(lambda rows: rows.reverse())
    assert call("optimize", "momentum", "--data", path, "--repair", "sort", "-n", 20).code == 0


def test_symbols_are_told_apart_by_their_whole_names(call, prices, tmp_path: Path) -> None:
    for name in ("BRK.A.csv", "BRK.B.csv"):
        (tmp_path / name).write_text(prices().read_text())
    both = ("-d", tmp_path / "BRK.A.csv", "-d", tmp_path / "BRK.B.csv")
    assert call("optimize", "rotation", *both, "-n", 5).code == 0
    again = refused(call, "optimize", "rotation", *both[:2], *both[:2], "-n", 5)
    assert "--data names 'BRK.A' twice" in again


def test_missing_columns(call, prices) -> None:
    error = refused(call, "optimize", "momentum", "-d", prices(header="Date,A,B,C,D,E"))
    assert "open" in error


def test_data_too_short_for_the_strategy(call, prices) -> None:
    error = refused(
        call, "optimize", "momentum", "-d", prices(lambda rows: rows.__delitem__(slice(12, None)))
    )
    assert "expected more bars" in error


@pytest.mark.parametrize("text", ["", "Date,Open,High,Low,Close\n", "\x00\x01\x02"])
def test_files_without_data(call, tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(text)
    refused(call, "optimize", "momentum", "-d", path)


def test_a_folder_without_data(call, tmp_path: Path) -> None:
    assert "has no files" in refused(call, "optimize", "momentum", "-d", tmp_path)


# --- space files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"lookback_period": {"type": "discrete", "bounds": [50, 20]}}, "reversed"),
        ({"lookback_perid": {"type": "discrete", "bounds": [20, 50]}}, "did you mean 'lookback_period'?"),
        ({"lookback_period": {"type": "discreet", "bounds": [20, 50]}}, "discre"),
        ({"lookback_period": {"type": "continuous", "bounds": [20, 50]}}, "is discrete, found continuous"),
        ({"lookback_period": {"type": "discrete"}}, "bounds"),
        ({"lookback_period": {"type": "discrete", "bounds": ["a", "b"]}}, "must be a number"),
        ({"lookback_period": {"bound": [20, 50], "type": "discrete"}}, "bound"),
        ({"lookback_period": 5}, "lookback_period"),
        (
            {
                "parameter_space": {"stop_loss": {"type": "continuous", "bounds": [0.01, 0.1]}},
                "constraint": [],
            },
            "constraint",
        ),
        ({}, "empty"),
        ({"parameter_space": {}}, "empty"),
        (
            {
                "parameter_space": {"stop_loss": {"type": "continuous", "bounds": [0, 1]}},
                "constraints": ["x <"],
            },
            "x",
        ),
    ],
)
def test_a_space_file_that_is_wrong(call, tmp_path: Path, document: object, message: str) -> None:
    path = tmp_path / "space.json"
    path.write_text(json.dumps(document))
    error = refused(call, "optimize", "momentum", "--space", path)
    assert "space.json" in error
    assert message in error


def test_a_space_file_of_another_strategy(call, tmp_path: Path) -> None:
    path = tmp_path / "space.json"
    path.write_text(call("strategies", "ma_cross", "--json").out)
    error = refused(call, "optimize", "donchian", "--space", path)
    assert "unknown parameter 'ma'" in error
    assert "known: entry_period, exit_period" in error


def test_a_space_file_that_is_no_json(call, tmp_path: Path) -> None:
    path = tmp_path / "space.json"
    path.write_text("{'a': 1}")
    assert "is not valid JSON" in refused(call, "optimize", "momentum", "--space", path)
    assert "cannot be read" in refused(call, "optimize", "momentum", "--space", tmp_path / "none.json")
    assert "cannot be read" in refused(call, "optimize", "momentum", "--space", tmp_path)


@pytest.mark.parametrize("option", ["--space", "--objective"])
def test_a_key_that_stands_twice(call, tmp_path: Path, option: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(
        '{"stop_loss": {"type": "continuous", "bounds": [0.01, 0.1]},\n'
        ' "stop_loss": {"type": "continuous", "bounds": [0.01, 0.2]}}'
        if option == "--space"
        else '{"sharpe_ratio": 0.4, "win_rate": 0.1, "sharpe_ratio": 0.6}'
    )
    error = refused(call, "optimize", "momentum", option, path)
    name = "stop_loss" if option == "--space" else "sharpe_ratio"
    assert f"{path} is not clear: the key '{name}' stands twice in one object; keep one of them" in error


def test_a_key_that_stands_twice_in_a_setting(call) -> None:
    error = refused(call, "optimize", "momentum", "--setting", 'members={"ga": 1, "ga": 2}')
    assert "--setting 'members=" in error
    assert "the key 'ga' stands twice" in error


# --- strategies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 1 / 0", "ZeroDivisionError"),
        ("return Signals(rise[1:] > 0, rise < 0)", "entries has the shape"),
        ("return Signals(np.where(rise > 0, np.nan, 0.0), rise < 0)", "entries is NaN at bar"),
        ("return Signals(rise, rise < 0)", "expected booleans"),
        ("return rise > 0", "mine"),
        ("return None", "mine"),
        ("return Signals(rise > 0, rise < 0, stop_loss='near')", "stop_loss is 'near'"),
        ("return Signals(bars.closing > 0, rise < 0)", "closing"),
        ("raise ValueError('two\\nlines')", "two"),
    ],
)
def test_a_strategy_that_fails(call, strategy_file, body: str, message: str) -> None:
    error = refused(call, "optimize", strategy_file(body), "--evaluations", 20)
    assert message.lower() in error.lower()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", "line 1"),
        ("import no_such_package\n", "No module named 'no_such_package'"),
        ("x = 1\n", "defines no strategy"),
        (
            "from strategy_optimizer import Strategy\nclass A(Strategy): pass\nclass B(Strategy): pass\n",
            "defines A, B; name one of them",
        ),
        ("from strategy_optimizer import Strategy\nclass A(Strategy): pass\n", "declares no parameters"),
    ],
)
def test_a_strategy_file_that_cannot_be_used(call, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    assert message in refused(call, "optimize", path)
    assert message in refused(call, "strategies", path)
    assert message in refused(call, "check", path)


def test_a_strategy_file_that_ends_the_program(call, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("raise SystemExit(3)\n")
    assert "SystemExit" in refused(call, "optimize", path)


def test_a_strategy_that_never_trades(call, strategy_file) -> None:
    path = strategy_file("return Signals(rise > 9, rise < 0)")
    assert "no_trades" in refused(call, "optimize", path, "--evaluations", 20, code=1)


def test_outcome_constraints_that_nothing_satisfies(call, state: Path) -> None:
    call_of_20 = ("optimize", "momentum", "--require", "trades >= 100000", "--evaluations", 20)
    error = refused(call, *call_of_20, code=1)
    assert "none of 20 trials satisfies" in error
    assert list(state.glob("runs/*")) == []


@pytest.mark.parametrize("command", [["optimize", "nothing"], ["optimize", "momentum", "--data", "nothing"]])
def test_nothing_is_written_by_a_wrong_call(call, state: Path, tmp_path: Path, command: list[str]) -> None:
    refused(call, *command, "--export", tmp_path / "trials.csv")
    assert list(tmp_path.iterdir()) == []
