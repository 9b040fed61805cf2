"""The rule of the verdict, and the verdicts of whole searches on markets with and without an edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kurtosis, norm, skew

from strategy_optimizer import Bars, Continuous, Signals, Strategy, load_bars, optimize
from strategy_optimizer.backtest import Costs, PopulationEvaluator, run_backtest
from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.market.synthetic import RandomWalk, synthetic_market
from strategy_optimizer.models import ResultModel
from strategy_optimizer.tasks import FinishedSearch, TrialHistory, make_task
from strategy_optimizer.validation import Validation, judge, validate_search
from strategy_optimizer.validation.statistics import (
    NotEnough,
    overfitting_probability,
    psr_2012,
    superior_predictive_ability,
)
from strategy_optimizer.validation.verdict import (
    DEPLOY_BELOW,
    FEW_BARS,
    FEW_TRADES,
    PAPER_BELOW,
    combined_chance,
)


@pytest.fixture(scope="module")
def search() -> FinishedSearch:
    task = make_task("momentum", "nasdaq", "ga", evaluations=300, seed=1)
    task.run()
    assert task.search is not None
    return task.search


@pytest.fixture(scope="module")
def found(search: FinishedSearch) -> Validation:
    return validate_search(search)


@pytest.mark.parametrize(("deflated", "psr"), [(0.5, 0.5), (0.95, 0.95), (0.2, 0.999), (0.7, 0.1)])
def test_two_chances_are_combined_by_their_normal_scores(deflated: float, psr: float) -> None:
    expected = norm.sf((norm.ppf(deflated) + norm.ppf(psr)) / np.sqrt(2.0))
    assert combined_chance(deflated, psr) == pytest.approx(expected, abs=1e-12)


def test_certainties_have_a_finite_score() -> None:
    assert 0.0 <= combined_chance(1.0, 1.0) < 1e-12
    assert combined_chance(1.0, 0.0) == pytest.approx(0.5, abs=1e-4)


def decide(found: Validation, deflated: Any, psr: Any, **held_out: Any) -> tuple[str, str]:
    moments = replace(found.held_out.moments, sharpe=held_out.pop("sharpe", 0.05))  # type: ignore[union-attr, type-var]
    verdict = judge(
        replace(found.overfitting, deflated_sharpe_null=deflated),
        replace(found.held_out, psr=psr, moments=moments, **{"trades": 50.0} | held_out),  # type: ignore[type-var]
    )
    return verdict.decision, " ".join(verdict.reasons)


def test_the_rule(found: Validation) -> None:
    lacking = NotEnough("returns", 1, 4)
    assert decide(found, 0.99, 0.99)[0] == "deploy"
    assert decide(found, 0.95, 0.9)[0] == "paper"
    assert decide(found, 0.5, 0.8)[0] == "reject"
    decision, reasons = decide(found, 0.9999, 0.45, sharpe=-0.01)
    assert decision == "reject"
    assert "lost on the held-out bars" in reasons
    decision, reasons = decide(found, 0.999, 0.999, trades=FEW_TRADES - 1.0)
    assert decision == "paper"
    assert "only 4 trades" in reasons
    assert decide(found, 0.999, 0.999, n_bars=FEW_BARS)[0] == "deploy"
    decision, reasons = decide(found, 0.999, 0.999, n_bars=FEW_BARS - 1)
    assert decision == "paper"
    assert "only 99 bars were held out" in reasons
    assert decide(found, 0.999, lacking)[0] == "paper"
    assert decide(found, lacking, 0.999)[0] == "reject"


def test_the_limits_are_those_of_the_rule(found: Validation) -> None:
    for limit, below, above in ((DEPLOY_BELOW, "deploy", "paper"), (PAPER_BELOW, "paper", "reject")):
        score = norm.isf(limit)
        for shift, expected in ((0.01, below), (-0.01, above)):
            p = float(norm.cdf((score + shift) / np.sqrt(2.0)))
            assert decide(found, p, p)[0] == expected


def test_signals_of_the_future_are_rejected_whatever_they_earned() -> None:
    class Tomorrow(Strategy):
        name = "tomorrow"
        parameters = {"rise": Continuous(0.0, 0.01, default=0.0)}

        def signals(self, bars: Bars) -> Signals:
            rise = np.append(np.diff(bars.close) / bars.close[:-1], 0.0)
            return Signals(entries=rise > self.rise, exits=rise < 0.0)

    verdict = optimize(Tomorrow, "nasdaq", "random", evaluations=20, fill="close").verdict
    assert verdict.decision == "reject"
    assert verdict.luck < DEPLOY_BELOW  # it would have been deployed
    assert verdict.reasons[0].startswith("the signals are no result of the past alone: entries at bar ")


def test_without_held_out_bars_paper_is_the_most(found: Validation) -> None:
    sure = judge(replace(found.overfitting, deflated_sharpe_null=0.9999), None)
    doubtful = judge(replace(found.overfitting, deflated_sharpe_null=0.5), None)
    assert (sure.decision, doubtful.decision) == ("paper", "reject")
    assert "no bars were held out" in sure.reasons[0]


def test_the_statistics_are_of_all_trials(search: FinishedSearch, found: Validation) -> None:
    overfitting, history = found.overfitting, search.history
    assert overfitting.n_trials == len(history) == 300
    assert overfitting.distinct == len(np.unique(history.blocks[:, :, 1], axis=0))
    whole = overfitting_probability(history.blocks)
    assert not isinstance(whole, NotEnough)
    assert overfitting.pbo == whole.pbo
    assert overfitting.resampled == 300
    annual = history[history.best].metrics["sharpe_ratio"]  # type: ignore[index]
    assert overfitting.moments.sharpe * np.sqrt(overfitting.periods_per_year) == pytest.approx(
        annual, rel=1e-9
    )  # type: ignore[union-attr]
    assert overfitting.moments.kurtosis == pytest.approx(history[history.best].metrics["kurtosis"], rel=1e-6)  # type: ignore[union-attr, index]
    assert overfitting.psr_2012 == psr_2012(overfitting.moments)  # type: ignore[arg-type]
    assert overfitting.deflated_sharpe_2012 < overfitting.psr_2012  # type: ignore[operator]
    assert set(overfitting.superior) == {"defaults", "buy_and_hold", "cash"}


def test_the_verdict_rests_on_the_raw_count_and_the_variance_of_even_trials_without_skill(
    search: FinishedSearch, found: Validation
) -> None:
    """From the history, an even sample and one backtest, in SciPy's words; the maximum by its distribution."""
    history, year = search.history, search.bars.slice(*search.in_sample).periods_per_year
    n = len(np.unique(history.blocks[:, :, 1], axis=0))
    params = history[history.best].parameters  # type: ignore[index]
    equity = run_backtest(search.strategy, params, search.bars, search.rules).equity
    points = search.space.sample(512, np.random.default_rng(0), "sobol")
    weeks = PopulationEvaluator(search.strategy, search.bars, replace(search.rules, n_blocks=500))
    correlations = np.corrcoef(weeks.evaluate(points).blocks[:, :, 1])
    alike = correlations[np.triu_indices(len(correlations), 1)].mean()
    assert found.overfitting.null_variance == pytest.approx((1.0 - alike) / (len(equity) - 1), rel=1e-9)
    expected = np.sqrt((1.0 - alike) / (len(equity) - 1)) * _mean_maximum(100 * n)
    deflated = _probability(equity, above=expected)
    assert found.overfitting.expected_best_sharpe == pytest.approx(expected, rel=1e-7)
    assert found.overfitting.deflated_sharpe_null == pytest.approx(deflated, abs=1e-7)
    sharpes = history.metrics[:, METRICS.index("sharpe_ratio")] / np.sqrt(year)
    usual = _probability(equity, above=np.nanstd(sharpes, ddof=1) * _mean_maximum(n))
    assert found.overfitting.deflated_sharpe_2012 == pytest.approx(usual, abs=1e-7)
    rules = replace(search.rules, window=search.held_out)
    later = run_backtest(search.strategy, found.recommendation.parameters, search.bars, rules).equity
    chance = norm.sf((norm.ppf(deflated) + norm.ppf(_probability(later, above=0.0))) / np.sqrt(2.0))
    assert found.verdict.luck == pytest.approx(chance, abs=1e-6)


def test_the_control_sample_is_an_even_one_of_the_space(search: FinishedSearch, found: Validation) -> None:
    """Not of the trials that the search crowded together."""
    points = search.space.sample(512, np.random.default_rng(0), "sobol")
    halves, weeks = (
        PopulationEvaluator(search.strategy, search.bars, replace(search.rules, n_blocks=n)).evaluate(points)
        for n in (16, 500)
    )
    assert found.overfitting.control_trials == 512
    assert found.overfitting.control_pbo == overfitting_probability(halves.blocks).pbo  # type: ignore[union-attr]
    against_cash = superior_predictive_ability(weeks.blocks[:, :, 1].T, np.zeros(500), replications=500)
    assert found.overfitting.superior["cash"] == against_cash


def _mean_maximum(n: int) -> float:
    return float(quad(lambda x: x * n * norm.pdf(x) * norm.cdf(x) ** (n - 1), -10.0, 10.0, limit=500)[0])


def _probability(equity: Any, above: float) -> float:
    r = np.diff(equity) / equity[:-1]
    sharpe = r.mean() / r.std(ddof=1)
    variance = 1.0 - skew(r) * sharpe + (kurtosis(r, fisher=False) - 1.0) / 4.0 * sharpe**2
    return float(norm.cdf((sharpe - above) * np.sqrt((len(r) - 1) / variance)))


def test_a_strong_edge_is_found_in_the_control_sample_too() -> None:
    for edge, everything in ((0.3, True), (0.0, False)):
        bars = synthetic_market(3024, RandomWalk(), seed=5, edge=edge)
        task = make_task("momentum", bars, "ga", evaluations=100, costs=Costs(), seed=5)
        task.run()
        assert task.search is not None
        overfitting = validate_search(task.search).overfitting
        test, better = overfitting.superior["cash"], overfitting.better["cash"]
        assert not isinstance(test, NotEnough)
        assert (test.p_consistent < 0.05) == everything
        assert (better > 50) == everything  # type: ignore[operator]
        assert everything or better == 0


def test_more_trials_count_against_the_winner() -> None:
    deflated = []
    for evaluations in (50, 1000):
        result = optimize("momentum", "nasdaq", "random", evaluations=evaluations, seed=1)
        overfitting = result.validation.overfitting  # type: ignore[union-attr]
        deflated.append((overfitting.psr_2012, overfitting.expected_best_sharpe))
    assert deflated[1][1] > deflated[0][1]


def test_the_number_of_threads_changes_nothing(search: FinishedSearch, found: Validation) -> None:
    assert validate_search(search, threads=1).to_dict() == found.to_dict()


def test_a_market_with_a_strong_edge_is_worth_deploying_and_one_without_is_not() -> None:
    decisions = []
    for edge in (0.3, 0.0):
        bars = synthetic_market(3024, RandomWalk(), seed=5, edge=edge)
        result = optimize("momentum", bars, "ga", evaluations=300, costs=Costs(), seed=5)
        decisions.append(result.verdict.decision)
    assert decisions[0] == "deploy"
    assert decisions[1] != "deploy"


def test_the_result_carries_it_as_json() -> None:
    result = optimize("momentum", "nasdaq", evaluations=60, seed=2)
    model = ResultModel.from_json(result.to_json())
    assert model.validation is not None
    assert model.validation.verdict.decision == result.verdict.decision
    assert model.validation.overfitting["n_trials"] == 60
    plain = optimize("momentum", "nasdaq", evaluations=60, seed=2, validate=False)
    assert plain.verdict is None
    assert "validation" not in plain.to_dict()


def test_one_trial_is_said_to_be_too_few() -> None:
    result = optimize("momentum", "nasdaq", "random", evaluations=1, seed=2)
    overfitting = result.validation.overfitting  # type: ignore[union-attr]
    assert result.verdict.decision == "reject"
    assert isinstance(overfitting.trials_variance, NotEnough)
    assert isinstance(overfitting.pbo, NotEnough)
    assert overfitting.deflated_sharpe_null < overfitting.psr_2012  # against the best of a hundred even ones


def test_identical_trials_and_short_data_have_defined_statistics() -> None:
    class Same(Strategy):
        name = "same"
        parameters = {"a": Continuous(0.0, 1.0, default=0.5)}

        def signals(self, bars: Bars) -> Signals:
            week = np.arange(bars.n_bars) % 10
            return Signals(entries=week == 0, exits=week == 5)

    for bars in (load_bars("nasdaq").slice(0, n) for n in (100, 640, 1000, 2000)):
        found = optimize(Same, bars, "random", evaluations=30).validation
        assert found is not None
        assert found.overfitting.counts.clusters == 1  # type: ignore[union-attr]
        assert found.overfitting.pbo == NotEnough("distinct trials", 1, 2)
        assert found.verdict.decision == "reject"
        if bars.n_bars < 700:
            lacking = found.overfitting.superior["cash"]
            assert str(lacking).startswith("not enough returns of 5 bars each: found ")
            assert str(lacking).endswith("needed 100")


def test_slow_trials_are_run_again_within_a_stated_time(
    search: FinishedSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[int] = []
    evaluate = PopulationEvaluator.evaluate
    monkeypatch.setattr(
        PopulationEvaluator,
        "evaluate",
        lambda self, points: (run.append(len(points)), evaluate(self, points))[1],
    )
    monkeypatch.setattr(TrialHistory, "seconds", np.full(len(search.history), 0.5))
    found = validate_search(search)
    neighbours = sum(each.neighbours for each in (*found.recommendation.regions, found.recommendation.best))
    assert 0 < neighbours <= 60
    assert found.overfitting.resampled == 60
    assert found.overfitting.control_trials == 30
    assert sum(run) <= 3 * 60 + 10  # half a minute each, and the contenders themselves
    assert not isinstance(found.overfitting.control_pbo, NotEnough)


def test_several_symbols_several_objectives_and_no_held_out_bars() -> None:
    pair = {"a": synthetic_market(800, seed=1), "b": synthetic_market(800, seed=2)}
    rotation = optimize("rotation", pair, evaluations=60, seed=1)
    assert rotation.verdict.decision in ("deploy", "paper", "reject")
    front = optimize("momentum", "nasdaq", objective=["sharpe_ratio", "max_drawdown"], evaluations=60)
    assert front.validation.overfitting.n_trials == 60  # type: ignore[union-attr]
    whole = optimize("momentum", "nasdaq", evaluations=60, holdout=0.0)
    assert whole.validation.held_out is None  # type: ignore[union-attr]
