"""Comparisons: p-values against SciPy, no winner without one, and what may be compared with what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import permutation_test

from strategy_optimizer import Result, optimize
from strategy_optimizer.analysis import compare_before_after, compare_optimizers, compare_tasks
from strategy_optimizer.analysis.comparable import same_problem
from strategy_optimizer.analysis.optimizer_comparison import sign_flip_p_value
from strategy_optimizer.errors import SpaceError, TaskError
from strategy_optimizer.validation.statistics import NotEnough


@pytest.fixture(scope="module")
def result() -> Result:
    return optimize("momentum", "nasdaq", "random", evaluations=150, seed=1)


def with_score(result: Result, name: str, seed: int, score: float) -> Result:
    return replace(result, optimizer={**result.optimizer, "name": name}, seed=seed, best_score=score)


def series(result: Result, name: str, scores: list[float]) -> list[Result]:
    return [with_score(result, name, seed, score) for seed, score in enumerate(scores)]


@pytest.mark.parametrize("n", [6, 9, 12])
def test_p_value_is_scipys_exact_one(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.4, 1.0, n)
    exact = permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    ).pvalue
    assert sign_flip_p_value(differences) == pytest.approx(exact, abs=1e-12)


def test_p_value_of_many_pairs() -> None:
    differences = np.random.default_rng(0).normal(0.3, 1.0, 40)
    exact = permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=50_000, rng=1
    ).pvalue
    assert sign_flip_p_value(differences) == pytest.approx(exact, abs=0.01)
    assert sign_flip_p_value(np.zeros(20)) == 1.0


def test_p_values_are_uniform_where_there_is_no_difference() -> None:
    rng = np.random.default_rng(3)
    found = np.array([sign_flip_p_value(rng.normal(size=8)) for _ in range(400)])
    assert np.mean(found < 0.05) == pytest.approx(0.05, abs=0.035)


def test_a_winner_needs_seeds_and_a_p_value(result: Result) -> None:
    better = [1.0, 1.1, 0.9, 1.2, 1.05, 1.15, 0.95]
    worse = [value - 0.2 for value in better]
    few = compare_optimizers([*series(result, "ga", better[:5]), *series(result, "bo", worse[:5])])
    assert isinstance(few.pairs[0].p_value, NotEnough)
    assert few.pairs[0].winner is None
    found = compare_optimizers([*series(result, "bo", worse), *series(result, "ga", better)])
    assert [row.name for row in found.rows] == ["ga", "bo"]
    assert found.rows[0].mean == pytest.approx(np.mean(better))
    assert found.rows[0].spread == pytest.approx(np.std(better, ddof=1))
    pair = found.pairs[0]
    assert (pair.winner, pair.seeds, pair.p_value) == ("ga", 7, 2 / 2**7)
    assert pair.difference == pytest.approx(-0.2)
    mixed = compare_optimizers([*series(result, "bo", better[::-1]), *series(result, "ga", better)])
    assert mixed.pairs[0].winner is None


def test_several_pairs_raise_their_p_values(result: Result) -> None:
    scores = {"a": 0.0, "b": 0.1, "c": 0.1}
    noise = np.random.default_rng(0).normal(0.0, 0.01, (3, 6))
    results = [
        each
        for (name, mean), row in zip(scores.items(), noise, strict=True)
        for each in series(result, name, (mean + row).tolist())
    ]
    found = {(pair.first, pair.second): pair for pair in compare_optimizers(results).pairs}
    # Alone a clean sweep of six has 2 / 64; as the smallest of three 6 / 64.
    assert found["a", "b"].p_value == pytest.approx(6 / 64)
    assert found["a", "b"].winner is None


def test_only_seeds_that_both_have_are_paired(result: Result) -> None:
    first = [with_score(result, "ga", seed, float(seed)) for seed in range(8)]
    second = [with_score(result, "bo", seed, float(seed) - 1.0) for seed in range(2, 10)]
    pair = compare_optimizers([*first, *second]).pairs[0]
    assert pair.seeds == 6
    assert pair.difference == pytest.approx(1.0)


def test_what_cannot_be_compared(result: Result) -> None:
    with pytest.raises(TaskError, match="nothing to compare"):
        compare_optimizers([])
    with pytest.raises(TaskError, match="the seed 1 twice"):
        compare_optimizers([result, result])
    other = replace(result, costs={**result.costs, "commission": 0.01})
    with pytest.raises(TaskError, match="they differ in the costs"):
        compare_optimizers([result, other])
    assert not same_problem([result, other])
    assert same_problem([result, with_score(result, "ga", 5, 1.0)])
    several = optimize("momentum", "nasdaq", "random", evaluations=60, objective="sharpe_ratio,max_drawdown")
    assert not same_problem([several, several])
    with pytest.raises(TaskError, match="several objectives"):
        compare_optimizers([several])


def test_before_and_after_are_the_measured_numbers(result: Result) -> None:
    found = compare_before_after(result)
    sharpe = next(change for change in found.in_sample if change.metric == "sharpe_ratio")
    assert sharpe.before == result.defaults.in_sample["sharpe_ratio"]
    assert sharpe.after == result.best.in_sample["sharpe_ratio"]
    assert sharpe.difference == sharpe.after - sharpe.before
    assert sharpe.better
    drawdown = next(change for change in found.held_out if change.metric == "max_drawdown")
    assert drawdown.better == (drawdown.after < drawdown.before)
    trades = next(change for change in found.in_sample if change.metric == "trades")
    assert trades.better is None
    assert not found.predicted


def test_earlier_parameters_are_measured_or_predicted(result: Result) -> None:
    trial = result.history[40]
    measured = compare_before_after(result, trial.parameters)
    assert measured.what == "trial 41"
    assert measured.in_sample[0].before == trial.score
    predicted = compare_before_after(result, {**result.default_parameters, "lookback_period": 33})
    assert predicted.predicted
    score = predicted.in_sample[0]
    assert score.interval is not None
    assert score.interval[0] <= score.before <= score.interval[1]
    inside = score.interval[0] <= score.after <= score.interval[1]
    assert score.better is (None if inside else True)
    with pytest.raises(SpaceError, match="lookback_period"):
        compare_before_after(result, {**result.default_parameters, "lookback_period": 3000})


def test_an_earlier_result_has_to_be_on_the_same_bars(result: Result) -> None:
    other = optimize("momentum", "nasdaq", "random", evaluations=60, seed=3, validate=False)
    found = compare_before_after(result, other)
    assert other.task_id in found.what
    assert found.before == other.best_parameters
    elsewhere = optimize("momentum", "sp500", "random", evaluations=60, validate=False)
    with pytest.raises(TaskError, match="differ in the data"):
        compare_before_after(result, elsewhere)


def test_tasks_in_a_table(result: Result) -> None:
    other = optimize("ma_cross", "sp500", "random", evaluations=60, validate=False, holdout=0.0)
    first, second = compare_tasks([result, other])
    assert (first.strategy, first.data, first.optimizer, first.trials) == (
        "momentum",
        "nasdaq",
        "random",
        150,
    )
    assert first.verdict == result.verdict.decision
    assert first.held_out_score == result.best.held_out["composite_score"]  # type: ignore[index]
    assert second.verdict is None
    assert np.isnan(second.held_out_score)
