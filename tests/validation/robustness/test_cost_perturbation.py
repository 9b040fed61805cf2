"""Costs only cost: monotone for a fixed list of fills, and a break-even where the return is nothing."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustness_subjects import EveryOther, Hold, Idle, market_of_returns
from strategy_optimizer.backtest import Costs, Rules, run_backtest
from strategy_optimizer.errors import BacktestError, StatisticsError
from strategy_optimizer.validation.robustness import Subject, cost_perturbation
from strategy_optimizer.validation.robustness.cost_perturbation import MOST_BREAK_EVEN_TRIALS, multiplied
from strategy_optimizer.validation.statistics import NotEnough

COSTS = Costs(commission=0.0005, fixed_fee=2.0, slippage=0.0002, borrow=0.03)


def _rising(drift, seed=0, n=600):
    return market_of_returns(np.random.default_rng(seed).normal(drift, 0.005, n))


@settings(deadline=None)
@given(seed=st.integers(0, 200), low=st.floats(1.0, 20.0), more=st.floats(0.1, 20.0))
def test_more_costs_never_leave_more(seed, low, more):
    costs = replace(COSTS, fixed_fee=0.0)  # a fee that eats the account would leave out fills
    subject = Subject(EveryOther, {}, _rising(0.001, seed), Rules(costs))
    first, second = (
        cost_perturbation(subject, multiple=m, most_trials=1).perturbed for m in (low, low + more)
    )
    assert second["total_return"] < first["total_return"] < subject.result.metrics["total_return"] + 1e-12
    assert second["trades"] == first["trades"]


@pytest.mark.parametrize("drift", [0.0005, 0.001, 0.003])
def test_the_return_is_nothing_at_the_break_even(drift):
    subject = Subject(EveryOther, {}, _rising(drift), Rules(COSTS))
    found = cost_perturbation(subject)
    assert (
        found.perturbed == run_backtest(EveryOther, {}, subject.bars, Rules(multiplied(COSTS, 2.0))).metrics
    )
    assert found.trials <= 1 + MOST_BREAK_EVEN_TRIALS
    for factor, sign in ((0.99, 1.0), (1.01, -1.0)):
        costs = multiplied(COSTS, found.break_even_multiple * factor)
        assert sign * run_backtest(EveryOther, {}, subject.bars, Rules(costs)).metrics["total_return"] > 0.0


def test_what_each_fill_pays_is_multiplied_and_borrow_is_not():
    doubled = Costs(commission=0.001, fixed_fee=4.0, slippage=0.0004, borrow=0.03)
    assert multiplied(COSTS, 2.0) == doubled


def test_a_strategy_that_loses_by_its_costs_alone_breaks_even_below_one():
    subject = Subject(EveryOther, {}, _rising(0.0005), Rules(replace(COSTS, commission=0.02)))
    assert subject.result.metrics["total_return"] < 0.0
    assert 0.0 < cost_perturbation(subject).break_even_multiple < 1.0


def test_where_there_is_no_break_even_it_says_why():
    def of(strategy, drift, costs):
        return cost_perturbation(Subject(strategy, {}, _rising(drift), Rules(costs))).break_even_multiple

    assert of(Hold, 0.003, Costs(commission=1e-6)) == math.inf
    assert of(EveryOther, 0.001, Costs()) == NotEnough("kinds of costs to multiply", 0, 1)
    assert of(EveryOther, 0.001, Costs(borrow=0.1)) == NotEnough("kinds of costs to multiply", 0, 1)
    assert of(Idle, 0.001, COSTS) == NotEnough("trades", 0, 1)
    assert re.fullmatch(
        r"it lost [\d.]+% without costs; it needs to gain", str(of(EveryOther, -0.003, COSTS))
    )


def test_a_cap_leaves_out_the_break_even():
    subject = Subject(EveryOther, {}, _rising(0.001), Rules(COSTS))
    found = cost_perturbation(subject, most_trials=10)
    assert found.trials == 1
    assert found.break_even_multiple == NotEnough("trials for the break-even", 9, MOST_BREAK_EVEN_TRIALS)
    assert cost_perturbation(subject, most_trials=25) == cost_perturbation(subject)


@pytest.mark.parametrize("commission", [1e-9, 1e-6, 0.3, 0.999])
@pytest.mark.parametrize("drift", [-0.001, 0.0, 0.001, 0.02])
def test_the_search_for_the_break_even_ends_within_its_trials(commission, drift):
    subject = Subject(EveryOther, {}, _rising(drift), Rules(Costs(commission=commission)))
    found = cost_perturbation(subject, multiple=1.0)
    assert found.trials <= 1 + MOST_BREAK_EVEN_TRIALS
    assert not isinstance(found.break_even_multiple, float) or found.break_even_multiple > 0.0


def test_wrong_multiples_are_refused():
    subject = Subject(EveryOther, {}, _rising(0.001), Rules(Costs(commission=0.6)))
    with pytest.raises(StatisticsError, match=r"multiple is 0\.5"):
        cost_perturbation(subject, multiple=0.5)
    with pytest.raises(BacktestError, match=r"2 times .* reaches the whole price"):
        cost_perturbation(subject)
