"""The command `check`."""

from __future__ import annotations

import json

import pytest


def test_sound_data_and_a_clean_strategy(call) -> None:
    outcome = call("check", "momentum", "--candidates", 2)
    assert outcome.code == 0
    assert "nasdaq: 5,031 bars, 1999-01-04 to 2018-12-31" in outcome.out
    assert "none found: the signals of 2 parameter sets stayed the same" in outcome.out
    assert "look-ahead test of 2 parameter sets" in outcome.err


def test_data_alone(call) -> None:
    outcome = call("check", "-", "--data", "sp500")
    assert outcome.code == 0
    assert "stale_open" in outcome.out
    assert "look-ahead" not in outcome.out


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("return Signals(np.append(bars.close[1:], 0) > bars.close, rise < 0)", "entries at bar"),
        ("return Signals(rise > self.level, bars.close > bars.close.mean())", "exits at bar"),
        ("return Signals(rise > 0, rise < 0, stop_loss=float(np.std(rise)) + 0.01)", "stop_loss at bar"),
        ("return Signals(bars.close == bars.close.max(), rise < 0)", "entries at bar"),
    ],
)
def test_a_strategy_that_looks_ahead(call, strategy_file, body: str, where: str) -> None:
    outcome = call("check", strategy_file(body), "--from", 2014)
    assert outcome.code == 1
    assert "Mine uses bars of the future:" in outcome.out
    assert where in outcome.out
    assert "with days=10" in outcome.out


def test_a_compiled_strategy_that_reads_too_far(call, tmp_path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from strategy_optimizer import CompiledStrategy, Discrete\n"
        "class Mine(CompiledStrategy):\n"
        "    parameters = {'days': Discrete(2, 40, default=10)}\n"
        "    @staticmethod\n"
        "    def signals(bars, p, out):\n"
        "        for t in range(p.days, bars.close.size):\n"
        "            out.entries[t] = bars.close[t + 1] > bars.close[t]\n"
    )
    outcome = call("check", path, "--from", 2014)
    assert outcome.code == 1
    assert f"outside of its arrays when given 1,258 bars ({path}, line 7: index 1258" in outcome.out


def test_a_branch_that_looks_ahead_is_found_by_other_parameters(call, strategy_file) -> None:
    path = strategy_file(
        "return Signals(rise > 0 if self.days < 15 else np.append(rise[1:], 0) > 0, rise < 0)"
    )
    assert call("check", path, "--from", 2014, "--candidates", 1).code == 0
    assert call("check", path, "--from", 2014, "--candidates", 8).code == 1
    assert call("check", path, "--from", 2014, "--candidates", 1, "-p", "days=30").code == 1


def test_data_with_errors_are_reported_not_refused(call, tmp_path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("Date,Open,High,Low,Close\n2020-01-02,1,2,1,1\n2020-01-01,1,1,2,1\n")
    outcome = call("check", "momentum", "--data", path)
    assert outcome.code == 1
    assert "high_below_low" in outcome.out
    assert "unsorted" in outcome.out
    assert "not tested: mend the data first" in outcome.out


def test_json_is_nothing_else(call, strategy_file) -> None:
    path = strategy_file("return Signals(np.append(bars.close[1:], 0) > bars.close, rise < 0)")
    outcome = call("check", path, "--from", 2014, "--json")
    document = json.loads(outcome.out)
    assert outcome.code == 1
    assert document["ok"] is False
    assert document["data"]["ok"] is True
    assert document["lookahead"][0]["differences"][0]["needs"] == 1


def test_json_of_data_alone(call) -> None:
    document = json.loads(call("check", "-", "--json").out)
    assert document["ok"] is True
    assert document["lookahead"] == []


def test_a_strategy_that_raises_is_a_wrong_call(call, strategy_file) -> None:
    outcome = call("check", strategy_file("return 1 / 0"))
    assert outcome.code == 2
    assert "ZeroDivisionError" in outcome.err


def test_defaults_that_a_fixed_parameter_forbids_are_left_out(call) -> None:
    outcome = call("check", "ma_cross", "-p", "slow=20", "-p", "ma=sma", "--from", 2016, "--candidates", 2)
    assert outcome.code == 0
    assert "2 parameter sets" in outcome.out


def test_too_few_candidates(call) -> None:
    outcome = call("check", "momentum", "--candidates", 0)
    assert (outcome.code, outcome.err) == (2, "error: --candidates is 0; expected at least 1\n")


def test_a_strategy_that_raises_for_some_parameters_names_them(call, strategy_file) -> None:
    path = strategy_file("return Signals(rise > 0, rise < 0) if self.days == 10 else 1 / 0")
    outcome = call("check", path, "--from", 2016)
    assert outcome.code == 2
    assert "error: with days=" in outcome.err
    assert "ZeroDivisionError" in outcome.err


def test_candidates_that_need_more_bars_are_left_out(call) -> None:
    few = call("check", "momentum", "--from", "2018-09-01", "--candidates", 8)
    assert few.code == 0
    assert "not tested, lookback_period=" in few.err
    none = call("check", "momentum", "--from", "2018-12-20", "--candidates", 3)
    assert none.code == 2
    assert "nothing to compare" in none.err
