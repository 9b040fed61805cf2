"""The examples run, and say what they promise."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from strategy_optimizer import evaluate_population, get_strategy
from strategy_optimizer.validation import check_lookahead

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = {
    "optimize_momentum": (
        "best parameters: {'lookback_period'",
        "buy and hold",
        "note: held out",
        "trials: 2000",
    ),
    "your_own_data": ("the same data from a file: True", "high_below_low", "held out"),
    "backtest_signals": ("(signal)", "equity at the end", "sharpe_ratio"),
    "ask_and_tell": ("220 degrees, 35 minutes, fan True", "after 600 trials"),
}
SERVERS = {"http_engine_server"}  # in tests/engines/test_http_engine.py
STRATEGIES = {"my_strategy": "Pullback", "my_compiled_strategy": "CompiledPullback"}


def test_every_example_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*SCRIPTS, *STRATEGIES, *SERVERS}


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    out = capsys.readouterr().out
    assert [text for text in SCRIPTS[name] if text not in out] == []


@pytest.mark.parametrize("name", STRATEGIES)
def test_strategies_do_not_look_ahead(name: str, nasdaq) -> None:
    strategy = get_strategy(str(EXAMPLES / f"{name}.py"))
    assert strategy.label() == STRATEGIES[name]
    report = check_lookahead(strategy, {}, nasdaq.slice(0, 1500))
    assert report.ok, str(report)
    assert report.n_events > 20


def test_both_styles_give_the_same_numbers(nasdaq) -> None:
    vectorised, compiled = (get_strategy(str(EXAMPLES / f"{name}.py")) for name in STRATEGIES)
    points = vectorised.space().sample(20, np.random.default_rng(4))
    first, second = (evaluate_population(strategy, points, nasdaq) for strategy in (vectorised, compiled))
    assert np.nanmax(first["trades"]) > 50
    np.testing.assert_array_equal(first["trades"], second["trades"])
    np.testing.assert_allclose(first.values, second.values, rtol=1e-9)
