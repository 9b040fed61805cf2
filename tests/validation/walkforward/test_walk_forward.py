"""Windows whose right choice is known, windows that know nothing of later bars, and what is reported."""

from __future__ import annotations

import json
import math
import os
import re
import signal
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ctrl_c import interrupt_once
from markets import zigzag
from strategy_optimizer import Costs, Discrete, Signals, Strategy, optimize
from strategy_optimizer.errors import DataError, ReproductionError, SplitError, StrategyError, TaskError
from strategy_optimizer.market import Bars
from strategy_optimizer.market.synthetic import synthetic_market
from strategy_optimizer.validation import walk_forward
from strategy_optimizer.validation.statistics import NotEnough
from strategy_optimizer.validation.walkforward.choices import window_seed

QUICK = {"optimizer": "random", "evaluations": 40}


def altered_from(bars: Bars, first: int) -> Bars:
    """Return the bars with other prices from `first` on."""
    factor = np.ones(bars.n_bars)
    factor[first:] = np.exp(np.random.default_rng(1).normal(0, 0.05, bars.n_bars - first).cumsum())
    prices = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
    return replace(bars, **prices, report=None)


def test_each_window_chooses_what_was_right_in_its_past(side, turning) -> None:
    found = walk_forward(side, turning, "grid", train=50, test=50, costs=Costs(), evaluations=10)
    chosen = [window.parameters["side"] for window in found.windows]
    assert chosen == ["long", "long", "short", "short", "long", "long", "short"]
    gains = [window.out_of_sample["total_return"] > 0 for window in found.windows]
    assert gains == [True, False, True, False, True, False, True]
    assert found.share_gaining == 4 / 7
    assert found.stability[0].values == tuple(chosen)
    assert found.stability[0].changes == 3
    assert found.stability[0].spread == pytest.approx(3 / 7)


def test_bars_after_a_window_change_nothing_of_it(nasdaq) -> None:
    plan = {"train": "2y", "test": "1y", "seed": 3}
    bars = nasdaq.slice(0, 1600)
    first = walk_forward("momentum", bars, **plan, **QUICK)
    for k in (0, 2):
        window = first.windows[k]
        other = walk_forward("momentum", altered_from(bars, window.train.stop), **plan, **QUICK)
        same, changed = other.windows[: k + 1], other.windows[k]
        assert [w.parameters for w in same] == [w.parameters for w in first.windows[: k + 1]]
        assert changed.in_sample == window.in_sample
        assert changed.out_of_sample != window.out_of_sample
        later = walk_forward("momentum", altered_from(bars, window.test.stop), **plan, **QUICK)
        assert [w.out_of_sample for w in later.windows[: k + 1]] == [
            w.out_of_sample for w in first.windows[: k + 1]
        ]
    shorter = walk_forward("momentum", bars.slice(0, first.windows[1].test.stop), **plan, **QUICK)
    assert shorter.windows == first.windows[:2]


@pytest.mark.parametrize("optimizer", ["random", "ga", "auto"])
def test_a_window_is_optimize_on_its_training_bars(nasdaq, optimizer) -> None:
    bars = nasdaq.slice(0, 900)
    found = walk_forward(
        "momentum", bars, optimizer, train=400, test=200, choose="best", evaluations=60, seed=5
    )
    for window in found.windows[:2]:
        train = bars.slice(window.train.start, window.train.stop)
        single = optimize("momentum", train, optimizer, evaluations=60, seed=window.seed, holdout=0)
        assert window.seed == window_seed(5, window.train)
        assert window.parameters == single.best_parameters
        assert window.score == single.best_score
        assert window.in_sample == {k: v for k, v in single.best.in_sample.items() if k != "composite_score"}
        assert window.trials == 60


def test_a_window_trades_what_its_search_recommends(nasdaq) -> None:
    bars = nasdaq.slice(0, 900)
    found = walk_forward("momentum", bars, "ga", train=400, test=200, evaluations=60, seed=5)
    assert found.choose == "recommended"
    for window in found.windows:
        train = bars.slice(window.train.start, window.train.stop)
        single = optimize("momentum", train, "ga", evaluations=60, seed=window.seed, holdout=0)
        assert window.parameters == single.recommended_parameters
        first = single.validation.recommendation.regions[0]  # type: ignore[union-attr]
        assert window.in_sample["sharpe_ratio"] == first.performance.in_sample["sharpe_ratio"]


def test_an_unknown_choice_is_refused(nasdaq) -> None:
    with pytest.raises(TaskError, match="choose is 'first'; expected 'recommended' or 'best'"):
        walk_forward("momentum", nasdaq, train="3y", test="1y", choose="first", **QUICK)  # type: ignore[arg-type]


@pytest.mark.parametrize(("optimizer", "evaluations"), [("ga", 80), ("auto", 40)])
def test_the_number_of_workers_changes_nothing(nasdaq, optimizer, evaluations) -> None:
    runs = [
        walk_forward(
            "momentum",
            nasdaq.slice(0, 1000),
            optimizer,
            train=300,
            test=150,
            evaluations=evaluations,
            workers=n,
        )
        for n in (1, 2, 8)
    ]
    assert runs[0].windows == runs[1].windows == runs[2].windows
    assert runs[0].out_of_sample.equity.tolist() == runs[1].out_of_sample.equity.tolist()


def test_the_seed_matters(nasdaq) -> None:
    first, second = (
        walk_forward("momentum", nasdaq.slice(0, 800), train=400, test=200, seed=s, **QUICK) for s in (0, 1)
    )
    assert first.windows[0].parameters != second.windows[0].parameters


def test_the_stitched_account_is_the_product_of_the_windows(nasdaq) -> None:
    found = walk_forward("momentum", nasdaq.slice(0, 2000), train="2y", test="6m", **QUICK)
    product = math.prod(1 + window.out_of_sample["total_return"] for window in found.windows)
    assert found.out_of_sample.metrics["total_return"] + 1 == pytest.approx(product, rel=1e-9)
    assert found.windows[0].test.start == 506
    assert len(found.out_of_sample.returns) == found.windows[-1].test.stop - 506


def test_overlapping_tests_count_once(nasdaq) -> None:
    found = walk_forward("momentum", nasdaq.slice(0, 900), train=400, test=200, step=100, **QUICK)
    assert [window.stitched for window in found.windows] == [
        range(400, 500),
        range(500, 600),
        range(600, 700),
        range(700, 800),
        range(800, 900),
    ]
    assert found.windows[0].test == range(400, 600)
    assert len(found.out_of_sample.returns) == 500


def test_efficiency_is_the_ratio_of_annual_returns(nasdaq) -> None:
    found = walk_forward("momentum", nasdaq.slice(0, 2000), train="2y", test="1y", choose="best", **QUICK)
    for window in found.windows:
        expected = window.out_of_sample["annual_return"] / window.in_sample["annual_return"]
        assert window.efficiency == expected
    logs = [math.log1p(window.in_sample["total_return"]) for window in found.windows]
    years = [
        (nasdaq.timestamp[w.train.stop - 1] - nasdaq.timestamp[w.train.start]) / (365.25 * 86400e9)
        for w in found.windows
    ]
    in_sample = math.exp(sum(logs) / sum(years)) - 1
    assert found.efficiency == pytest.approx(found.out_of_sample.metrics["annual_return"] / in_sample)


def test_efficiency_is_not_defined_where_the_search_lost(side) -> None:
    only_long = {"side": {"type": "categorical", "choices": ["long"]}}
    found = walk_forward(side, zigzag([(300, -0.004)]), "grid", train=100, test=50, space=only_long)
    assert all(window.in_sample["annual_return"] < 0 for window in found.windows)
    assert all(isinstance(window.efficiency, NotEnough) for window in found.windows)
    assert re.fullmatch(r"it lost [\d.]+% a year in sample; it needs to gain", str(found.efficiency))


def test_a_window_without_a_valid_trial_holds_cash(side, turning) -> None:
    found = walk_forward(
        side,
        turning,
        "grid",
        train=60,
        test=60,
        evaluations=10,
        outcome_constraints=["total_return >= 0.15"],
    )
    flat = [window for window in found.windows if window.parameters is None]
    assert 0 < len(flat) < len(found.windows)
    for window in flat:
        assert "none of 2 trials satisfies the outcome constraints" in window.reason
        assert window.out_of_sample["total_return"] == 0
        assert window.in_sample is None
        assert isinstance(window.efficiency, NotEnough)
    assert any(f"{len(flat)} windows held cash" in note for note in found.notes)


def test_no_window_with_a_valid_trial(rise, turning) -> None:
    found = walk_forward(rise, turning, train=100, test=100, outcome_constraints=["trades >= 1000"], **QUICK)
    assert all(window.parameters is None for window in found.windows)
    assert found.out_of_sample.metrics["total_return"] == 0
    assert isinstance(found.out_of_sample.psr_h0, NotEnough)
    assert isinstance(found.efficiency, NotEnough)
    assert found.stability[0].spread is None


class BreaksLate(Strategy):
    parameters = {"days": Discrete(2, 30, default=20)}

    def signals(self, bars):
        if bars.n_bars > 250 or bars.timestamp[0] > 0:
            raise ValueError("no such bar")
        return Signals(entries=bars.close > bars.open, exits=bars.close < bars.open)


def test_parameters_that_fail_later_hold_cash(turning) -> None:
    found = walk_forward(BreaksLate, turning, train=150, test=50, **QUICK)
    assert [bool(window.reason) for window in found.windows] == [False, True, True, True, True]
    assert "no such bar" in found.windows[1].reason
    assert found.defaults is None


def test_a_strategy_that_fails_at_once_is_an_error(turning) -> None:
    class Broken(Strategy):
        parameters = {"days": Discrete(2, 30)}

        def signals(self, bars):
            raise ValueError("never works")

    with pytest.raises(StrategyError, match="never works"):
        walk_forward(Broken, turning, train=150, test=50, **QUICK)


def test_the_rivals_are_over_the_same_bars(rise, turning) -> None:
    found = walk_forward(rise, turning, train=100, test=60, costs=Costs(), **QUICK)
    n = len(found.out_of_sample.returns)
    assert n == len(found.defaults.returns) == len(found.buy_and_hold.returns) == 300
    held = turning.close[399] / turning.open[101] - 1
    assert found.buy_and_hold.metrics["total_return"] == pytest.approx(held, rel=1e-9)
    assert found.default_parameters == {"days": 20}


def test_a_planted_edge_is_found_out_of_sample(rise) -> None:
    bars = synthetic_market(2500, seed=4, edge=0.15, lookback=10)
    found = walk_forward(rise, bars, "grid", train=500, test=250, costs=Costs(), evaluations=29)
    assert found.out_of_sample.metrics["sharpe_ratio"] > 0.8
    assert found.out_of_sample.psr_h0 > 0.95
    assert found.share_gaining >= 0.75


def test_without_an_edge_there_is_none_out_of_sample(rise) -> None:
    sharpes = []
    for seed in range(12):
        bars = synthetic_market(1300, seed=seed)
        found = walk_forward(rise, bars, "grid", train=300, test=250, costs=Costs(), evaluations=29)
        in_sample = np.mean([window.in_sample["sharpe_ratio"] for window in found.windows])
        assert in_sample > 0.2
        sharpes.append(found.out_of_sample.moments.sharpe * math.sqrt(found.out_of_sample.moments.n_obs))
    # A t-statistic each, of variance 1: four standard errors of the mean.
    assert abs(np.mean(sharpes)) < 4 / math.sqrt(12)


def test_several_objectives_choose_the_knee(nasdaq) -> None:
    found = walk_forward(
        "momentum",
        nasdaq.slice(0, 700),
        train=400,
        test=150,
        evaluations=60,
        objective=["sharpe_ratio", "max_drawdown"],
    )
    assert all(window.parameters for window in found.windows)
    assert math.isnan(found.windows[0].score)


def test_several_symbols(nasdaq, sp500) -> None:
    from strategy_optimizer import load_bars

    both = load_bars({"a": "nasdaq", "b": "sp500"}).slice(0, 700)
    found = walk_forward("rotation", both, train=400, test=150, **QUICK)
    assert len(found.windows) == 2
    assert len(found.buy_and_hold.returns) == 300


def test_progress_counts_windows_and_trials(nasdaq) -> None:
    seen = []
    walk_forward(
        "momentum", nasdaq.slice(0, 1000), train=400, test=200, progress=seen.append, workers=2, **QUICK
    )
    assert [event.done for event in seen if event.done] == sorted(event.done for event in seen if event.done)
    last = seen[-1]
    assert (last.done, last.windows, last.trials, last.fraction, last.seconds_left) == (3, 3, 120, 1.0, 0.0)


def test_ctrl_c_keeps_the_windows_that_are_done(nasdaq) -> None:
    interrupt = interrupt_once(lambda event: event.done == 1)
    found = walk_forward(
        "momentum", nasdaq, "ga", train="3y", test="6m", evaluations=2000, workers=1, progress=interrupt
    )
    assert 1 <= len(found.windows) < found.planned == 34
    assert not found.complete
    assert found.notes[0].startswith(f"interrupted: {len(found.windows)} of 34 windows are done")
    assert [window.number for window in found.windows] == list(range(1, len(found.windows) + 1))


def test_ctrl_c_before_the_first_window_is_done(nasdaq) -> None:
    sent = []

    def interrupt(event) -> None:
        if not sent:
            sent.append(event)
            os.kill(os.getpid(), signal.SIGINT)  # from the thread of the search to the one that waits

    with pytest.raises(KeyboardInterrupt):
        walk_forward(
            "momentum",
            nasdaq,
            "ga",
            train="6y",
            test="6m",
            evaluations=1_000_000,
            workers=1,
            progress=interrupt,
        )


def test_the_json_form_is_plain(nasdaq) -> None:
    found = walk_forward("momentum", nasdaq.slice(0, 900), train=400, test=200, **QUICK)
    data = json.loads(found.to_json())
    assert data["windows"][0]["train"] == [0, 400]
    assert data["lengths"] == {"train": 400, "test": 200, "step": 200, "purge": 0, "anchored": False}
    assert len(data["returns"]) == 500
    assert set(data["out_of_sample"]) == {"metrics", "psr_h0", "psr_2012", "t_statistic"}
    assert data["complete"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "json"])
def test_windows_are_exported(side, turning, tmp_path, ending) -> None:
    found = walk_forward(
        side, turning, "grid", train=60, test=60, evaluations=10, outcome_constraints=["total_return >= 0.15"]
    )
    path = found.export(tmp_path / f"windows.{ending}")
    frame = {"csv": pl.read_csv, "parquet": pl.read_parquet, "json": pl.read_json}[ending](path)
    assert len(frame) == len(found.windows)
    assert frame["parameter_side"].to_list() == [(w.parameters or {}).get("side") for w in found.windows]
    assert frame["out_total_return"].to_list() == [w.out_of_sample["total_return"] for w in found.windows]
    assert frame["test_last"][0] == found.windows[0].test_dates[1]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"train": 5000}, SplitError, "the data have 5,031 bars, but one window needs 5,127 (train 5,000"),
        ({"train": "3q"}, SplitError, "'q' is no unit of time here"),
        ({"test": 0}, SplitError, "test is 0; expected a whole number of at least 2"),
        ({"step": 0}, SplitError, "step is 0; expected a whole number of at least 1"),
        ({"purge": -1}, SplitError, "purge is -1; expected a whole number of at least 0"),
        (
            {"train": 10},
            DataError,
            "the training window of 10 bars is too short: nasdaq has 10 bars to search",
        ),
        (
            {"holdout": 0.25},
            TaskError,
            "a walk-forward takes no holdout: the test windows are what is held out",
        ),
        ({"seconds": 10}, TaskError, "a walk-forward takes no seconds"),
        ({"warm_start": [{}]}, TaskError, "a walk-forward takes no warm_start"),
        ({"workers": 0}, TaskError, "workers is 0; expected a whole number from 1 up"),
        ({"optimizer": "best"}, Exception, "best"),
    ],
)
def test_mistakes_are_found_before_anything_runs(nasdaq, monkeypatch, changes, error, message) -> None:
    from strategy_optimizer.tasks import OptimizationTask

    monkeypatch.setattr(OptimizationTask, "run", lambda self: pytest.fail("a search was started"))
    with pytest.raises(error) as caught:
        walk_forward("momentum", nasdaq, **({"train": "3y", "test": "6m"} | QUICK | changes))
    assert message in str(caught.value)


def test_a_winner_that_cannot_be_reproduced_ends_it(nasdaq, monkeypatch) -> None:
    from strategy_optimizer.tasks import OptimizationTask

    run = OptimizationTask.run

    def second_fails(task):
        if task.bars.timestamp[0] > nasdaq.timestamp[0]:
            raise ReproductionError("it differs")
        return run(task)

    monkeypatch.setattr(OptimizationTask, "run", second_fails)
    with pytest.raises(ReproductionError, match="it differs"):
        walk_forward("momentum", nasdaq.slice(0, 900), train=400, test=200, workers=2, **QUICK)
