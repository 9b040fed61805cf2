"""Peaks and plateaus that were planted are told apart, and each number is the slow one."""

from __future__ import annotations

import numpy as np
import pytest

from markets import random_bars
from robustness_subjects import Idle, Peak, Plateau, VectorisedEveryOther
from strategy_optimizer import Categorical, Continuous, Discrete, get_strategy
from strategy_optimizer.backtest import Costs, Rules, Signals, Strategy, run_backtest
from strategy_optimizer.errors import BacktestError, StatisticsError
from strategy_optimizer.validation.robustness import Subject, parameter_perturbation
from strategy_optimizer.validation.statistics import NotEnough

RULES = Rules(Costs(commission=0.0005, slippage=0.0002))


def test_a_peak_is_isolated_and_a_plateau_is_not():
    bars = random_bars(3, 3000, wild=0.01, gaps=0.0)
    peak = parameter_perturbation(Subject(Peak, {"at": 50}, bars))
    plateau = parameter_perturbation(Subject(Plateau, {"at": 50}, bars))
    assert peak.by_parameter["at"].at_point == plateau.by_parameter["at"].at_point > 3.0
    assert peak.by_parameter["at"].is_isolated_peak
    assert peak.by_parameter["at"].robustness_ratio < 0.3
    assert not plateau.by_parameter["at"].is_isolated_peak
    assert plateau.by_parameter["at"].robustness_ratio > 0.7


def test_choices_that_lose_or_make_no_trade_count_as_what_they_are():
    found = parameter_perturbation(Subject(Plateau, {"at": 50}, random_bars(3, 3000, wild=0.01, gaps=0.0)))
    mode = found.by_parameter["mode"]
    assert (mode.neighbours, mode.failed) == (2, 1)
    assert mode.worst.parameters == {"at": 50, "mode": "wrong"}
    assert mode.worst.value < 0.0
    assert mode.robustness_ratio == NotEnough("neighbours with the metric", 1, 2)
    assert mode.is_isolated_peak


@pytest.mark.parametrize("metric", ["sharpe_ratio", "total_return"])
def test_each_number_is_the_slow_one(nasdaq, metric):
    strategy, bars = get_strategy("ma_cross"), nasdaq.slice(0, 1500)
    subject = Subject(strategy, {}, bars, RULES)
    found = parameter_perturbation(subject, metric=metric, seed=5)
    from strategy_optimizer.validation.robustness.perturbed_points import perturbed_points

    near = perturbed_points(subject.searched, subject.point, 64, 5)
    values = [
        run_backtest(strategy, params, bars, RULES).metrics[metric]
        for params in subject.searched.to_dicts(near.points)
    ]
    at_point = run_backtest(strategy, {}, bars, RULES).metrics[metric]
    ordered = sorted(values)
    tenth = ordered[int(np.ceil(0.1 * len(ordered))) - 1]
    overall = found.overall
    assert overall.neighbours == found.trials == len(values)
    assert overall.at_point == pytest.approx(at_point, rel=1e-9)
    assert overall.lower_quantile == pytest.approx(tenth, rel=1e-8)
    assert overall.worst.value == pytest.approx(ordered[0], rel=1e-8)
    assert overall.infeasible == near.infeasible.sum()
    if at_point > 0.0:
        assert overall.robustness_ratio == pytest.approx(tenth / at_point, rel=1e-8)
    assert "stop_loss" not in found.by_parameter  # inactive
    for name in found.by_parameter:
        i = subject.searched.names.index(name)
        alone = sorted(np.array(values)[near.columns == i].tolist())
        assert found.by_parameter[name].worst.value == pytest.approx(alone[0], rel=1e-8)


def test_a_loss_at_the_point_has_no_ratio():
    subject = Subject(Peak, {"mode": "wrong"}, random_bars(3, 2000, wild=0.01, gaps=0.0))
    overall = parameter_perturbation(subject).overall
    assert overall.at_point < 0.0
    assert isinstance(overall.robustness_ratio, NotEnough)
    assert str(overall.robustness_ratio).startswith("the metric at the point is ")
    assert isinstance(overall.lower_quantile, float)


def test_without_trades_there_is_no_number():
    overall = parameter_perturbation(Subject(Idle, {}, random_bars(0, 200))).overall
    assert overall.failed == overall.neighbours > 10
    for value in (overall.at_point, overall.lower_quantile, overall.robustness_ratio, overall.worst):
        assert isinstance(value, NotEnough)
    assert overall.is_isolated_peak


def test_few_neighbours_are_not_enough():
    class OneSwitch(VectorisedEveryOther):
        parameters = {"period": Categorical([8, 12])}

    found = parameter_perturbation(Subject(OneSwitch, {"period": 8}, random_bars(0, 400)))
    assert found.overall.lower_quantile == NotEnough("neighbours", 1, 10)
    assert found.by_parameter["period"].neighbours == 1
    assert isinstance(found.by_parameter["period"].lower_quantile, float)


def test_the_searched_space_says_how_far_and_which(nasdaq):
    strategy, bars = get_strategy("momentum"), nasdaq.slice(0, 800)
    space = strategy.space().override(
        {"lookback_period": {"type": "discrete", "bounds": [15, 25]}}, ["lookback_period != 21"]
    )
    found = parameter_perturbation(Subject(strategy, {"lookback_period": 20}, bars, space=space))
    assert next(iter(found.by_parameter)) == "lookback_period"
    period = found.by_parameter["lookback_period"]
    assert (period.neighbours, period.infeasible) == (1, 1)
    assert found.overall.worst.parameters["lookback_period"] in range(15, 26)


def test_constraints_of_the_strategy_hold_in_a_space_without_them(nasdaq):
    from strategy_optimizer import ParameterSpace

    strategy = get_strategy("ma_cross")
    free = ParameterSpace("free", dict(strategy.space().parameters))
    point = strategy.space().defaults() | {"fast": 29, "slow": 30}
    subject = Subject(strategy, point, nasdaq.slice(0, 500), space=free)
    with_space = parameter_perturbation(subject)
    without = parameter_perturbation(Subject(strategy, point, nasdaq.slice(0, 500)))
    assert with_space.by_parameter["fast"] == without.by_parameter["fast"]
    assert with_space.by_parameter["fast"].infeasible > 0


def test_what_the_space_leaves_out_stays_as_it_is(nasdaq):
    class Fixed(Strategy):
        parameters = {"days": Discrete(2, 50, default=10), "size": Continuous(0.1, 1.0, default=1.0)}

        def signals(self, bars):
            t = np.arange(bars.n_bars) % self.days
            return Signals(entries=t == 0, exits=t == self.days // 2, size=self.size)

    from strategy_optimizer import ParameterSpace

    space = ParameterSpace("days alone", {"days": Discrete(2, 50, default=10)})
    subject = Subject(Fixed, {"days": 10, "size": 0.2}, nasdaq.slice(0, 500), space=space)
    found = parameter_perturbation(subject)
    assert found.overall.worst.parameters["size"] == 0.2


def test_a_cap_is_kept_and_progress_adds_up(nasdaq):
    subject = Subject(get_strategy("momentum"), {}, nasdaq.slice(0, 500))
    done = []
    capped = parameter_perturbation(subject, most_trials=25, advance=done.append)
    assert capped.trials == sum(done) == 25
    assert all(plateau.neighbours >= 1 for plateau in capped.by_parameter.values())
    assert parameter_perturbation(subject, most_trials=0).overall.lower_quantile == NotEnough(
        "neighbours", 0, 10
    )


def test_wrong_settings_are_refused(nasdaq):
    subject = Subject(get_strategy("momentum"), {}, nasdaq.slice(0, 500))
    with pytest.raises(BacktestError, match=r"no metric 'sharp'"):
        parameter_perturbation(subject, metric="sharp")
    with pytest.raises(StatisticsError, match=r"metric is 'max_drawdown'; expected one where more is better"):
        parameter_perturbation(subject, metric="max_drawdown")
    with pytest.raises(StatisticsError, match=r"n_box is 49"):
        parameter_perturbation(subject, n_box=49)
