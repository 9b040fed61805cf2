"""The command `validate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from strategy_optimizer import Costs, get_strategy, load_bars
from strategy_optimizer.backtest import Rules
from strategy_optimizer.validation.robustness import examine_robustness

FAST = ("--replications", 20, "--quiet")


def test_what_given_parameters_stand(call) -> None:
    outcome = call("validate", "momentum", "-p", "lookback_period=20", *FAST)
    assert outcome.code == 0
    text = " ".join(outcome.out.split())
    assert "momentum on nasdaq, examined" in text
    assert "lookback_period=20" in text
    assert "no look-ahead in 60 cuts" in text
    assert "times the costs" in text
    assert "one of twenty" in text
    assert all(len(line) <= 80 for line in outcome.out.splitlines() if not line.startswith("parameters"))


def test_json_has_the_numbers_of_the_library(call) -> None:
    outcome = call("validate", "momentum", "-p", "threshold=0.03", "--json", *FAST)
    document = json.loads(outcome.out)
    rules = Rules(Costs(commission=0.0005, slippage=0.0002))
    expected = examine_robustness(
        get_strategy("momentum"), {"threshold": 0.03}, load_bars("nasdaq"), rules, data_replications=20
    )
    assert document["parameters"]["threshold"] == 0.03
    robustness = document["robustness"]
    assert robustness["metrics"]["sharpe_ratio"] == expected.metrics["sharpe_ratio"]
    assert robustness["costs"]["break_even_multiple"] == expected.costs.break_even_multiple
    assert robustness["bands"]["sharpe_ratio"]["lower"] == expected.bands["sharpe_ratio"].lower  # type: ignore[union-attr]
    assert document["warnings"] == list(expected.warnings)


def test_the_recommended_parameters_of_a_result(call, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text(call("optimize", "momentum", "--evaluations", 60, "--json", "--quiet").out)
    result = json.loads(file.read_text())
    document = json.loads(call("validate", "momentum", "--result", file, "--json", *FAST).out)
    assert document["parameters"] == result["recommended_parameters"]


def test_a_strategy_that_looks_ahead_ends_with_one(call, strategy_file) -> None:
    body = "return Signals(np.append(bars.close[1:], 0) > bars.close, rise < 0)"
    outcome = call("validate", strategy_file(body), "--from", 2014, *FAST)
    assert outcome.code == 1
    assert "uses bars of the future" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-p", "lookback=20"), "there is no parameter 'lookback'"),
        (("-p", "lookback_period=2000"), "lookback_period"),
        (("--replications", 5), "--replications is 5; expected at least 20"),
        (("--result", "missing.json"), "missing.json"),
    ],
)
def test_wrong_calls_say_what_is_wrong(call, arguments, message: str) -> None:
    outcome = call("validate", "momentum", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.out == ""


def test_a_result_of_another_strategy_is_refused(call, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text(
        call("optimize", "momentum", "--evaluations", 30, "--json", "--quiet", "--no-validate").out
    )
    outcome = call("validate", "donchian", "--result", file, *FAST)
    assert outcome.code == 2
    assert "whose parameter 'lookback_period' donchian has not" in outcome.err
