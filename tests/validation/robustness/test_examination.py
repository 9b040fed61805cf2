"""All parts in one call: reproducible, within its cap, and never a silent NaN."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest

from markets import bars_of, random_bars
from robustness_subjects import EveryOther, Hold, Idle, Peak, Peeking, Short, VectorisedEveryOther
from strategy_optimizer import Discrete, get_strategy
from strategy_optimizer.backtest import Costs, Rules, Strategy
from strategy_optimizer.errors import SpaceError, StatisticsError, StrategyError
from strategy_optimizer.strategies.momentum import VectorisedMomentum
from strategy_optimizer.validation import check_lookahead
from strategy_optimizer.validation.robustness import (
    Subject,
    cost_perturbation,
    data_perturbation,
    delay_perturbation,
    examine_robustness,
    metric_bands,
    parameter_perturbation,
    reshuffled_trades,
)
from strategy_optimizer.validation.statistics import NotEnough

RULES = Rules(Costs(commission=0.0005, slippage=0.0002))


def _numbers(value, path=""):
    """Yield every number of a result, with where it stands."""
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _numbers(part, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from _numbers(part, f"{path}[{i}]")
    elif isinstance(value, np.ndarray):
        yield from ((path, number) for number in value.ravel().tolist())
    elif isinstance(value, float):
        yield path, value


def test_each_part_is_that_of_its_own_function(nasdaq):
    strategy, bars = get_strategy("momentum"), nasdaq.slice(0, 1500)
    found = examine_robustness(
        strategy, {"lookback_period": 30}, bars, RULES, seed=3, replications=50, data_replications=20
    )
    subject = Subject(strategy, {"lookback_period": 30}, bars, RULES)
    assert found.metrics == subject.result.metrics
    assert found.bands == metric_bands(subject, replications=50, seed=3)
    assert found.parameters == parameter_perturbation(subject, seed=3)
    assert found.costs == cost_perturbation(subject)
    assert found.delay == delay_perturbation(subject)
    for kind in ("noise", "resampling", "dropped_bars"):
        assert getattr(found, kind) == data_perturbation(subject, kind, replications=20, seed=3)
    trades = reshuffled_trades(subject.result.trades, RULES.cash, replications=50, seed=3)
    np.testing.assert_array_equal(found.permuted_trades.max_drawdowns, trades.max_drawdowns)
    assert found.lookahead == check_lookahead(strategy, {"lookback_period": 30}, bars, seed=3)
    assert found.trials == 2 + found.costs.trials + found.parameters.trials + 60


def test_both_styles_of_a_strategy_give_the_same(nasdaq):
    bars = nasdaq.slice(0, 800)
    one, two = (
        examine_robustness(strategy, {}, bars, RULES, replications=20, data_replications=20, threads=threads)
        for strategy, threads in ((get_strategy("momentum"), 1), (VectorisedMomentum, 2))
    )
    first, second = (dict(_numbers(dataclasses.replace(found, lookahead=None))) for found in (one, two))
    assert first == pytest.approx(second)
    assert len(first) > 400


@pytest.mark.parametrize("most", [13, 40, 99, 150, 300])
def test_the_cap_is_kept_and_progress_ends_with_the_trials(nasdaq, most):
    reports = []
    found = examine_robustness(
        get_strategy("momentum"),
        {},
        nasdaq.slice(0, 400),
        RULES,
        replications=20,
        most_trials=most,
        progress=lambda *report: reports.append(report),
    )
    assert found.trials <= most
    done = [report[1] for report in reports]
    assert done == sorted(done)
    assert done[-1] == found.trials
    assert {total for _, _, total in reports} <= set(range(found.trials, most + 1))
    assert not any(np.isnan(number) for _, number in _numbers(found))


def test_trials_are_backtests_that_were_run(nasdaq):
    class Counted(VectorisedEveryOther):
        runs = 0

        def signals(self, bars):
            Counted.runs += 1
            return super().signals(bars)

    report = check_lookahead(EveryOther, {}, nasdaq.slice(0, 300))
    found = examine_robustness(
        Counted, {}, nasdaq.slice(0, 300), RULES, lookahead=report, replications=20, most_trials=120
    )
    # Costs and delay use the candidate's signals again.
    assert Counted.runs == found.trials - found.costs.trials - 1


@pytest.mark.parametrize("strategy", [Idle, Hold, Short, EveryOther, Peeking])
@pytest.mark.parametrize("n_bars", [1, 2, 15, 22, 60])
def test_whatever_is_missing_there_is_no_silent_nan(strategy, n_bars):
    found = examine_robustness(
        strategy, {}, random_bars(1, n_bars), RULES, replications=20, data_replications=20
    )
    assert not [path for path, number in _numbers(found) if np.isnan(number)]
    if n_bars == 1:
        assert found.lookahead == NotEnough("bars", 1, 2)


def test_constant_prices_are_not_enough():
    flat = np.full(300, 10.0)
    found = examine_robustness(
        EveryOther, {}, bars_of(flat, flat, flat, flat), RULES, replications=20, data_replications=20
    )
    assert found.noise.quantiles["total_return"] == NotEnough("distinct returns", 1, 2)
    assert not [path for path, number in _numbers(found) if np.isnan(number)]


def test_what_speaks_against_a_candidate_is_said():
    bars = random_bars(3, 2000, wild=0.01, gaps=0.0)
    settings = {"replications": 20, "data_replications": 20}
    peeking = examine_robustness(Peeking, {}, bars, RULES, **settings)
    assert peeking.warnings[0].startswith("the signals use bars of the future")
    assert "a delay of 1 bar takes all of the return" in peeking.warnings
    peak = examine_robustness(Peak, {"at": 50}, bars, RULES, **settings)
    assert any(warning.startswith("an isolated peak") for warning in peak.warnings)
    holding = examine_robustness(Hold, {}, bars, RULES, **settings)
    assert not any("peak" in warning or "future" in warning for warning in holding.warnings)


def test_a_report_of_the_look_ahead_check_is_taken_in(nasdaq):
    report = check_lookahead(EveryOther, {}, nasdaq.slice(0, 200))
    found = examine_robustness(
        EveryOther, {}, nasdaq.slice(0, 200), lookahead=report, replications=20, most_trials=13
    )
    assert found.lookahead is report


def test_a_wrong_call_is_refused_before_anything_runs(nasdaq):
    bars = nasdaq.slice(0, 100)
    with pytest.raises(SpaceError, match="period"):
        examine_robustness(EveryOther, {"period": 3}, bars)
    with pytest.raises(StatisticsError, match="most_trials is 5"):
        examine_robustness(EveryOther, {}, bars, most_trials=5)

    class Broken(Strategy):
        parameters = {"n": Discrete(1, 9)}

    with pytest.raises(StrategyError, match="does not define signals"):
        examine_robustness(Broken, {}, bars)
