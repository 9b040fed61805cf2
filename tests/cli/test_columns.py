"""--columns: every command that reads data takes it, and what its errors advise works as it stands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from strategy_optimizer.market import Bars, load_bars

FEW = ["--evaluations", "20", "--no-ledger", "--quiet"]


@pytest.fixture(scope="module")
def bars() -> Bars:
    return load_bars("nasdaq", start="2014", end="2018")


@pytest.fixture
def prices(bars: Bars, tmp_path: Path) -> Path:
    """Write bars under names that nobody can guess."""
    days = bars.timestamp.view("M8[ns]").astype("M8[D]").astype(str)
    rows = zip(days, bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
    lines = ["When,Start,Top,Bottom,Px End,Volume", *(",".join(map(str, row)) for row in rows)]
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


NAMED = ["--columns", "timestamp=When,open=Start,high=Top,low=Bottom,close=Px End"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "-"],
        ["optimize", "momentum", *FEW],
        ["walk-forward", "momentum", "--train", "2y", "--test", "1y", *FEW],
        ["validate", "momentum", "--replications", "20", "--quiet"],
        ["ledger"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_command_that_reads_data_takes_it(call, prices: Path, arguments: list[str]) -> None:
    refused = call(*arguments, "--data", prices)
    assert refused.code == 2
    assert "the columns are not clear" in refused.err
    done = call(*arguments, "--data", prices, *NAMED)
    assert done.code == 0, done.err


def test_the_data_are_those_of_any_other_file(call, prices: Path, bars: Bars) -> None:
    outcome = call("optimize", "momentum", "--data", prices, *NAMED, *FEW, "--json")
    assert json.loads(outcome.out)["data"]["digest"] == bars.digest
    result = prices.with_name("result.json")
    result.write_text(outcome.out)
    page = prices.with_name("page.html")
    report = ["report", result, "--out", page, "--no-walk-forward", "--quiet", "--data", prices]
    assert "the columns are not clear" in call(*report).err
    assert call(*report, *NAMED).code == 0
    assert page.exists()


def test_several_options_add_up_and_an_empty_name_leaves_a_column_out(call, prices: Path) -> None:
    parts = [part for pair in NAMED[1].split(",") for part in ("--columns", pair)]
    outcome = call("check", "-", "--data", prices, *parts, "--columns", "volume=")
    assert outcome.code == 0
    assert "no volume column" in outcome.out


def advised(text: str) -> list[str]:
    """Return the option that an error advises, as a shell would read it."""
    found = re.search(r"(--(?:columns|repair) .*?) \(Python: ", text)
    assert found is not None, text
    return shlex.split(found[1])


def test_advised_columns_work(call, prices: Path) -> None:
    text = prices.read_text()
    prices.write_text(text.replace("When,Start,Top,Bottom,Px End", "Date,Open,High,Low,Close Last") + "")
    lines = prices.read_text().splitlines()
    prices.write_text("\n".join([lines[0] + ",Last", *(line + ",7" for line in lines[1:])]) + "\n")
    outcome = call("check", "-", "--data", prices)
    assert "close could be 'Close Last' or 'Last'" in outcome.err
    assert advised(outcome.err) == ["--columns", "close=Close Last"]
    assert call("check", "-", "--data", prices, *advised(outcome.err)).code == 0


def test_an_advised_format_works(call, prices: Path) -> None:
    rows = "".join(f"0{1 + i % 9}/0{1 + i // 9}/2020,1,2,1,{1 + i % 2}\n" for i in (0, 10, 20))
    prices.write_text("Date,Open,High,Low,Close\n" + rows)
    outcome = call("check", "-", "--data", prices)
    assert advised(outcome.err) == ["--columns", "timestamp=Date,format=%d/%m/%Y"]
    assert "2020-03-03" in call("check", "-", "--data", prices, *advised(outcome.err)).out


def test_advised_repairs_work_also_several_in_one_text(call, prices: Path) -> None:
    lines = prices.read_text().splitlines()
    lines[5], lines[9] = lines[9], lines[5]
    lines[20] = lines[20].replace(lines[20].split(",")[4], "")
    prices.write_text("\n".join(lines) + "\n")
    outcome = call("optimize", "momentum", "--data", prices, *NAMED, *FEW)
    assert outcome.code == 2
    assert "repair=(" not in outcome.err
    names = re.findall(r"--repair (\w+) \(Python: repair=\"\1\"\)", outcome.err)
    assert names == ["sort", "drop_nan"]
    for typed in (["--repair", "sort,drop_nan"], ["--repair", "sort", "--repair", "drop_nan"]):
        assert call("check", "-", "--data", prices, *NAMED, *typed).code == 0
    assert "columns=" not in outcome.err


def test_the_look_ahead_check_is_named_with_how_the_data_are_read(call, prices: Path, strategy_file) -> None:
    path = strategy_file("return Signals(rise > self.level, rise < 0)")
    few = [option for option in FEW if option != "--quiet"]
    outcome = call("optimize", path, "--data", prices, *NAMED, *few, "--repair", "sort")
    named = next(line for line in outcome.err.splitlines() if "Does it look ahead?" in line)
    typed = shlex.split(named.partition("strategy-optimizer ")[2])
    assert typed[2:] == ["--data", str(prices), *NAMED, "--repair", "sort"]
    assert call(*typed).code == 0
