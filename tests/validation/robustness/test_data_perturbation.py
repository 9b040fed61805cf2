"""Quantiles over perturbed markets are those of plain backtests on these markets."""

from __future__ import annotations

import numpy as np
import pytest

from markets import bars_of, random_bars
from robustness_subjects import EveryOther, Idle, Peeking, VectorisedEveryOther
from strategy_optimizer import Discrete, get_strategy
from strategy_optimizer.backtest import METRICS, Costs, Rules, Signals, Strategy, run_backtest
from strategy_optimizer.errors import StatisticsError
from strategy_optimizer.validation.robustness import Subject, data_perturbation
from strategy_optimizer.validation.robustness.data_perturbation import KINDS, _market, _moved_window
from strategy_optimizer.validation.robustness.perturbed_bars import dropped_rows, noisy_bars, without_bars
from strategy_optimizer.validation.statistics import NotEnough

RULES = Rules(Costs(commission=0.0005, slippage=0.0002), window=(100, 700))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", [EveryOther, VectorisedEveryOther])
def test_quantiles_are_those_of_plain_backtests(nasdaq, kind, strategy):
    subject = Subject(strategy, {}, nasdaq.slice(0, 800), RULES)
    found = data_perturbation(subject, kind, replications=20, seed=7, level=0.8)
    metrics = []
    for k in range(20):
        market = _market(subject, kind, found.amount)
        bars, window = market(np.random.default_rng((7, KINDS.index(kind), k)))
        metrics.append(run_backtest(strategy, {}, bars, Rules(RULES.costs, window=window)).metrics)
    for name in METRICS:
        ordered = sorted(m[name] for m in metrics)
        quantiles = found.quantiles[name]
        assert quantiles.unperturbed == subject.result.metrics[name]
        assert (quantiles.lower, quantiles.median, quantiles.upper) == pytest.approx(
            (ordered[1], ordered[9], ordered[17]), rel=1e-9
        )


def test_noise_is_drawn_as_stated(nasdaq):
    bars = nasdaq.slice(0, 300)
    market = _market(Subject(EveryOther, {}, bars), "noise", 0.1)
    expected = noisy_bars(bars, 0.1, np.random.default_rng(5))
    assert market(np.random.default_rng(5))[0] == expected


def test_the_window_keeps_its_bars_when_others_are_dropped():
    bars = random_bars(0, 200)
    dropped = dropped_rows(200, 0.2, np.random.default_rng(0))
    start, stop = _moved_window((50, 120), dropped)
    kept = without_bars(bars, dropped).timestamp[start:stop]
    inside = np.setdiff1d(np.arange(50, 120), dropped)
    np.testing.assert_array_equal(kept, bars.timestamp[inside])
    assert _moved_window((5, 6), np.array([5])) == (4, 5)


def test_more_noise_leaves_less_of_what_hangs_on_single_bars():
    subject = Subject(Peeking, {}, random_bars(1, 1000, wild=0.01, gaps=0.0))
    medians = [
        data_perturbation(subject, "noise", amount=amount, replications=20).quantiles["sharpe_ratio"].median
        for amount in (0.01, 0.1, 0.5)
    ]
    assert subject.result.metrics["sharpe_ratio"] > medians[0] > medians[1] > medians[2]


def test_another_order_of_single_bars_leaves_nothing_of_a_trend():
    rng = np.random.default_rng(0)
    drift = np.repeat(rng.choice([-0.004, 0.004], 40), 50)
    close = 100.0 * np.exp(np.cumsum(drift + rng.normal(0.0, 0.005, 2000)))
    subject = Subject(get_strategy("momentum"), {"lookback_period": 10}, bars_of(close, close, close, close))
    in_blocks, single = (
        data_perturbation(subject, "resampling", amount=length, replications=40).quantiles["sharpe_ratio"]
        for length in (None, 1.0)
    )
    assert in_blocks.median > 0.5 * subject.result.metrics["sharpe_ratio"] > single.median


def test_the_same_seed_gives_the_same_quantiles(nasdaq):
    subject = Subject(EveryOther, {}, nasdaq.slice(0, 300))
    one, two, other = (data_perturbation(subject, "noise", replications=20, seed=s) for s in (1, 1, 2))
    assert one == two
    assert one != other


def test_too_little_is_not_enough(nasdaq):
    def sharpe(bars, kind="noise", replications=20, strategy=EveryOther):
        subject = Subject(strategy, {}, bars)
        return data_perturbation(subject, kind, replications=replications).quantiles["sharpe_ratio"]

    flat = np.full(100, 50.0)
    for kind in KINDS:
        assert sharpe(nasdaq.slice(0, 20), kind) == NotEnough("bars", 20, 21)
        assert sharpe(bars_of(flat, flat, flat, flat), kind) == NotEnough("distinct returns", 1, 2)
        assert sharpe(nasdaq.slice(0, 300), kind, replications=19) == NotEnough("replications", 19, 20)
        assert sharpe(nasdaq.slice(0, 300), kind, replications=0) == NotEnough("replications", 0, 20)
    assert sharpe(nasdaq.slice(0, 300), strategy=Idle) == NotEnough("backtests with a sharpe_ratio", 0, 1)


def test_what_a_strategy_raises_is_kept(nasdaq):
    class Picky(Strategy):
        parameters = {"n": Discrete(1, 9)}

        def signals(self, bars):
            if bars.n_bars % 2:
                raise ValueError("an odd number of bars")
            t = np.arange(bars.n_bars) % 8
            return Signals(entries=t == 0, exits=t == 4)

    found = data_perturbation(
        Subject(Picky, {}, nasdaq.slice(0, 300)), "dropped_bars", amount=1 / 300, replications=20
    )
    assert len(found.errors) == 1
    assert "an odd number of bars" in found.errors[0]
    assert found.quantiles["total_return"] == NotEnough("replications with a total_return", 0, 20)


@pytest.mark.parametrize(
    ("kind", "amount", "message"),
    [
        ("nois", None, "kind is 'nois'; expected one of noise, resampling, dropped_bars"),
        ("noise", 0.0, "amount is 0.0; expected a share"),
        ("dropped_bars", 1.0, "amount is 1.0; expected a share"),
        ("resampling", 0.5, "amount is 0.5; expected a mean block length"),
    ],
)
def test_wrong_settings_are_refused(nasdaq, kind, amount, message):
    with pytest.raises(StatisticsError, match=message):
        data_perturbation(Subject(EveryOther, {}, nasdaq.slice(0, 100)), kind, amount=amount)
