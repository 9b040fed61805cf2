"""The recommended parameters: a steady trial among steady neighbours, chosen without the held-out bars."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from strategy_optimizer import optimize
from strategy_optimizer.backtest import run_backtest
from strategy_optimizer.errors import ReproductionError
from strategy_optimizer.market.synthetic import RandomWalk, synthetic_market
from strategy_optimizer.plain import as_plain
from strategy_optimizer.records import Trial
from strategy_optimizer.tasks import FinishedSearch, make_task
from strategy_optimizer.tasks.reproduction import reproduce
from strategy_optimizer.validation.recommendation import Recommendation, recommend
from strategy_optimizer.validation.recommendation.recommend import BOX_POINTS, REGIONS
from strategy_optimizer.validation.recommendation.steadiness import EVEN, block_sharpes, steadiness
from strategy_optimizer.validation.robustness.perturbed_points import perturbed_points


def searched(*arguments, **settings) -> FinishedSearch:
    task = make_task(*arguments, **settings)
    task.run()
    assert task.search is not None
    return task.search


@pytest.fixture(scope="module")
def search() -> FinishedSearch:
    return searched("ma_cross", "nasdaq", "ga", evaluations=400, seed=3)


@pytest.fixture(scope="module")
def found(search: FinishedSearch) -> Recommendation:
    return recommend(search)


def test_steadiness_is_that_of_the_blocks_returns(search: FinishedSearch) -> None:
    history = search.history
    row = history.best
    assert row is not None
    equity = run_backtest(search.bound_strategy, history[row].parameters, search.bars, search.rules).equity
    returns = equity[1:] / equity[:-1] - 1.0
    n = len(returns)
    year = search.bars.slice(*search.in_sample).periods_per_year
    sharpes = []
    for k in range(history.n_blocks):
        part = returns[k * n // history.n_blocks : (k + 1) * n // history.n_blocks]
        deviation = part.std(ddof=1)
        sharpes.append(part.mean() / deviation * year**0.5 if deviation > 0.0 else 0.0)
    expected = np.mean(sharpes) / (np.std(sharpes) + EVEN)
    assert block_sharpes(history.blocks[[row]], year)[0] == pytest.approx(sharpes, abs=1e-9)
    assert steadiness(history.blocks[[row]], year)[0] == pytest.approx(expected, rel=1e-9)


def test_steadiness_of_nothing_is_zero_and_of_a_failure_unknown() -> None:
    idle, failed = np.zeros((4, 3)), np.full((4, 3), np.nan)
    idle[:, 0] = failed[:, 0] = 50.0
    values = steadiness(np.stack([idle, failed]), 252.0)
    assert values[0] == 0.0
    assert np.isnan(values[1])


def test_the_recommended_has_the_best_plateau_of_all_regions(found: Recommendation) -> None:
    plateaus = [region.plateau for region in found.regions]
    assert plateaus == sorted(plateaus, reverse=True)
    assert 1 < len(found.regions) <= REGIONS
    assert len({region.trial for region in found.regions}) == len(found.regions)
    assert found.parameters == found.regions[0].parameters
    assert found.trial == found.regions[0].trial


def test_candidates_are_of_the_better_half_and_feasible() -> None:
    search = searched(
        "momentum", "nasdaq", "random", evaluations=300, seed=1, outcome_constraints=["trades >= 60"]
    )
    scores = search.history.scores
    middle = np.median(scores[search.history.feasible])
    for region in recommend(search).regions:
        assert region.trial is not None
        assert search.history.feasible[region.trial - 1]
        assert scores[region.trial - 1] >= middle


def test_each_contender_is_shown_as_it_earned(search: FinishedSearch, found: Recommendation) -> None:
    assert found.best.trial == (search.history.best or 0) + 1
    assert found.defaults is not None
    for each in (*found.regions, found.best, found.defaults):
        rules = replace(search.rules, window=search.held_out)
        again = run_backtest(search.bound_strategy, each.parameters, search.bars, rules).metrics
        assert each.performance.held_out is not None
        assert each.performance.held_out["total_return"] == again["total_return"]
        if each.trial is not None:
            metrics = search.history[each.trial - 1].metrics
            assert each.performance.in_sample["sharpe_ratio"] == pytest.approx(
                metrics["sharpe_ratio"], rel=1e-6
            )


def test_the_held_out_bars_take_no_part() -> None:
    """Other bars after the searched ones change nothing in what is recommended."""
    bars = synthetic_market(2000, RandomWalk(), seed=1, edge=0.05)
    prices = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for name in ("open", "high", "low", "close"):
        prices[name][1500:] *= np.linspace(1.0, 3.0, 500)
    other = replace(bars, **prices)
    chosen = [recommend(searched("momentum", data, "ga", evaluations=200, seed=2)) for data in (bars, other)]
    assert chosen[0].parameters == chosen[1].parameters
    assert [r.plateau for r in chosen[0].regions] == [r.plateau for r in chosen[1].regions]
    assert chosen[0].best.performance.held_out != chosen[1].best.performance.held_out


def test_a_plateau_is_the_mean_over_neighbours_that_are_run_one_by_one(
    search: FinishedSearch, found: Recommendation
) -> None:
    year = search.bars.slice(*search.in_sample).periods_per_year
    for each in (found.regions[0], found.best):
        point = search.space.from_dicts([each.parameters])[0]
        near = perturbed_points(search.space, point, BOX_POINTS, 0).points
        values, sharpes = [each.steadiness], []
        for parameters in search.space.to_dicts(near):
            result = run_backtest(search.bound_strategy, parameters, search.bars, search.rules)
            values.append(float(steadiness(result.blocks[None], year)[0]))
            sharpes.append(result.metrics["sharpe_ratio"])
        assert each.neighbours == len(near)
        assert each.plateau == pytest.approx(np.mean(values), rel=1e-6)
        own = each.performance.in_sample["sharpe_ratio"]
        lowest = np.sort(np.nan_to_num(sharpes))[int(np.ceil(0.1 * len(sharpes))) - 1]
        assert each.left == pytest.approx(lowest / own, rel=1e-6)


def test_what_is_recommended_is_run_again_by_the_reference_simulator(
    search: FinishedSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("strategy_optimizer.validation.recommendation.recommend")
    proved: list[int] = []

    def prove(trial: Trial, *arguments: Any) -> str:
        proved.append(trial.number)
        # One that the reference contradicts is no recommendation.
        return reproduce(replace(trial, metrics=trial.metrics | {"trades": -1.0}), *arguments)

    monkeypatch.setattr(module, "reproduce", prove)
    assert search.history.best is not None
    with pytest.raises(ReproductionError, match="which was chosen"):
        recommend(search)
    monkeypatch.undo()
    assert proved == [recommend(search).trial]
    assert proved != [search.history.best + 1]


def test_the_number_of_threads_changes_nothing(search: FinishedSearch, found: Recommendation) -> None:
    assert as_plain(recommend(search, threads=1)) == as_plain(found)


def test_few_trials_and_slow_ones_get_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    from strategy_optimizer.validation import trial_returns

    few = searched("momentum", "nasdaq", "random", evaluations=3, seed=1)
    assert recommend(few).trial in (1, 2, 3)
    monkeypatch.setattr(trial_returns, "LONGEST", 0.0)
    slow = searched("momentum", "nasdaq", "random", evaluations=100, seed=1)
    found = recommend(slow)
    assert all(np.isnan(region.plateau) for region in found.regions)
    assert "lead to expect" in found.reason or found.parameters == found.best.parameters


def test_several_objectives_are_recommended_from_their_front() -> None:
    search = searched(
        "donchian", "nasdaq", "nsga2", evaluations=300, seed=1, objective="sharpe_ratio,max_drawdown"
    )
    assert search.history.front is not None
    front = set((search.history.front.rows + 1).tolist())
    assert {region.trial for region in recommend(search).regions} <= front


def test_a_narrower_space_leaves_out_defaults_that_lie_outside() -> None:
    search = searched(
        "momentum",
        "nasdaq",
        "random",
        evaluations=60,
        seed=1,
        space={"lookback_period": {"type": "discrete", "bounds": [30, 60], "default": 40}},
    )
    found = recommend(search)
    assert found.defaults is None
    assert 30 <= found.parameters["lookback_period"] <= 60


def test_the_result_recommends_and_the_verdict_is_on_it() -> None:
    result = optimize("ma_cross", "nasdaq", "ga", evaluations=400, seed=3)
    assert result.recommended_parameters == result.validation.recommendation.parameters  # type: ignore[union-attr]
    data = json.loads(result.to_json())
    assert data["recommended_parameters"] == result.recommended_parameters
    assert data["best_parameters"] == result.best_parameters
    held_out = result.validation.held_out  # type: ignore[union-attr]
    region = result.validation.recommendation.regions[0]  # type: ignore[union-attr]
    assert held_out.annual_sharpe == pytest.approx(
        region.performance.held_out["sharpe_ratio"], rel=0.02
    )  # periods a year of the held-out bars differ a little
    plain = optimize("ma_cross", "nasdaq", "ga", evaluations=60, seed=3, validate=False)
    assert plain.recommended_parameters is None
