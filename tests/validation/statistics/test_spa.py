"""SPA, reality check and StepM against arch, against plain loops, and on models without skill."""

from __future__ import annotations

import numpy as np
import pytest
from arch.bootstrap import SPA, StepM

from strategy_optimizer.errors import StatisticsError
from strategy_optimizer.validation.statistics import (
    NotEnough,
    comparison,
    reality_check,
    stationary_indices,
    superior_models,
    superior_predictive_ability,
)


def _market(seed, n=150, k=25, spread=0.001):
    rng = np.random.default_rng(seed)
    models = rng.standard_normal((n, k)) * 0.01 * rng.uniform(0.2, 3.0, k) + rng.normal(0.0, spread, k)
    return models, rng.standard_normal(n) * 0.002


def slow_spa(models, benchmark, block_length, replications, seed, scale):
    """Return the three p-values and, for each model, what Hansen's paper does with it, by loops."""
    differences = models - benchmark[:, None]
    n, k = differences.shape
    mean = differences.mean(axis=0)
    deviation = np.array([slow_deviation(differences[:, j], 1.0 / block_length) for j in range(k)])
    threshold = -deviation * np.sqrt(2.0 * np.log(np.log(n)) / n)
    divisor = {"deviation": differences.std(axis=0), "long_run": deviation, "none": np.ones(k)}[scale]
    centres = [
        np.array([max(m, 0.0) for m in mean]),
        np.array([m if m >= t else 0.0 for m, t in zip(mean, threshold, strict=True)]),
        mean,
    ]
    observed = max(mean / divisor)
    above = np.zeros(3)
    for row in stationary_indices(n, block_length, replications, np.random.default_rng(seed)):
        resampled = differences[row].mean(axis=0)
        for i, centre in enumerate(centres):
            above[i] += max((resampled - centre) / divisor) > observed
    return above / replications


def slow_deviation(x, p):
    """Politis and Romano (1994), lemma 1, lag by lag."""
    n = len(x)
    x = x - x.mean()
    variance = x @ x / n
    for i in range(1, n):
        circular = (x[: n - i] @ x[i:] + x[:i] @ x[n - i :]) / n
        variance += 2.0 * (1.0 - i / n) * (1.0 - p) ** i * circular
    return np.sqrt(variance)


@pytest.mark.parametrize("scale", comparison.SCALES)
@pytest.mark.parametrize("seed", range(4))
def test_the_slow_twin(scale, seed):
    models, benchmark = _market(seed, n=100 + seed, k=8)
    options = {"block_length": 6.0, "replications": 200, "seed": seed, "scale": scale}
    found = superior_predictive_ability(models, benchmark, **options)
    assert [found.p_lower, found.p_consistent, found.p_upper] == slow_spa(
        models, benchmark, **options
    ).tolist()


@pytest.mark.parametrize("seed", range(8))
def test_p_values_are_archs_to_the_last_digit(seed):
    """Its losses are our returns with the other sign; it never studentises its statistic, whatever it is told."""
    models, benchmark = _market(seed)
    oracle = SPA(-benchmark, -models, reps=300, seed=seed)
    oracle.compute()
    found = superior_predictive_ability(models, benchmark, replications=300, seed=seed, scale="none")
    assert [found.p_lower, found.p_consistent, found.p_upper] == oracle.pvalues.tolist()
    assert reality_check(models, benchmark, replications=300, seed=seed) == oracle.pvalues["upper"]


def test_the_long_run_variances_are_archs():
    models, benchmark = _market(0)
    oracle = SPA(-benchmark, -models, reps=2, seed=0)
    oracle.compute()
    found = comparison.compare(models, benchmark, "long_run", None, 2, 0)
    np.testing.assert_allclose(found.long_run**2, oracle._loss_diff_var, rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_superior_models_are_archs(seed):
    models, benchmark = _market(seed, spread=0.002)
    oracle = StepM(-benchmark, -models, size=0.1, reps=300, seed=seed)
    oracle.compute()
    found = superior_models(
        models, benchmark, size=0.1, centring="consistent", replications=300, seed=seed, scale="none"
    )
    assert list(found.models) == oracle.superior_models


def test_stepping_finds_models_that_the_first_step_misses():
    """Without the wild best model, the bar for the others is lower."""
    rng = np.random.default_rng(0)
    models = rng.standard_normal((400, 30)) * 0.01
    models[:, 0] = rng.standard_normal(400) * 0.1 + 0.05
    models[:, 1] += 0.004
    found = superior_models(models, np.zeros(400), scale="none")
    assert found.models == (0, 1)
    assert found.steps == 2
    assert superior_models(models, np.zeros(400)).steps == 1  # scaled, both are seen at once


def test_all_models_may_be_superior():
    models = np.random.default_rng(0).standard_normal((200, 5)) * 0.01 + 0.01
    assert superior_models(models, np.zeros(200)).models == (0, 1, 2, 3, 4)


def test_pieces_change_nothing(monkeypatch):
    models, benchmark = _market(3)
    whole = superior_predictive_ability(models, benchmark, replications=100)
    monkeypatch.setattr(comparison, "_COLUMNS", 4)
    assert superior_predictive_ability(models, benchmark, replications=100) == whole


@pytest.mark.parametrize(("n", "moving_average"), [(500, 0.0), (500, 0.2)])
def test_models_without_skill_are_rejected_as_often_as_the_level_says(n, moving_average):
    """200 markets of models with one common part and unequal risks; 5 % and two standard errors."""
    p_values = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal((n + 1, 20)) * rng.uniform(0.3, 3.0, 20) + rng.standard_normal((n + 1, 1))
        models = noise[1:] + moving_average * noise[:-1]
        found = superior_predictive_ability(models, np.zeros(n), replications=200, seed=seed)
        p_values.append((found.p_lower, found.p_consistent, found.p_upper))
    lower, consistent, upper = np.array(p_values).T
    assert (consistent < 0.05).mean() <= 0.08
    assert (lower <= consistent).all()
    assert (consistent <= upper).all()
    assert 0.3 < np.median(upper) < 0.8


def test_hopeless_models_do_not_hide_a_good_one():
    rng = np.random.default_rng(1)
    models = rng.standard_normal((300, 60))
    models[:, 1:] -= 1.0
    models[:, 0] += 0.15
    found = superior_predictive_ability(models, np.zeros(300))
    assert found.best == 0
    assert found.p_consistent < 0.02 < found.p_upper


def test_units_do_not_matter():
    models, benchmark = _market(5)
    one, two = (superior_predictive_ability(models * c, benchmark * c, replications=200) for c in (1.0, 1e-4))
    assert one.p_consistent == two.p_consistent
    assert one.statistic == pytest.approx(two.statistic)


def test_models_that_fail_or_equal_the_benchmark_are_left_out():
    models, benchmark = _market(6)
    more = np.column_stack([benchmark, models, np.full(150, np.nan), benchmark + 0.001])
    alone, found = (superior_predictive_ability(m, benchmark, replications=100) for m in (models, more))
    assert found.p_consistent == alone.p_consistent
    assert (found.best, found.n_models, found.left_out) == (alone.best + 1, 25, 3)
    named = superior_models(np.column_stack([benchmark, models + 0.02]), benchmark)
    assert 0 not in named.models
    assert len(named.models) > 5


@pytest.mark.parametrize("function", [superior_predictive_ability, reality_check, superior_models])
def test_what_is_not_enough(function):
    models, benchmark = _market(7)
    assert function(models[:99], benchmark[:99]) == NotEnough("returns", 99, 100)
    assert function(np.column_stack([benchmark]), benchmark) == NotEnough(
        "models that differ from the benchmark", 0, 1
    )
    assert function(np.empty((150, 0)), benchmark) == NotEnough("models that differ from the benchmark", 0, 1)
    broken = np.where(np.arange(150) == 3, np.nan, benchmark)
    assert function(models, broken) == NotEnough("finite returns of the benchmark", 149, 150)
    with pytest.raises(StatisticsError, match="the number of rows of models is 149"):
        function(models[1:], benchmark)
    with pytest.raises(StatisticsError, match=r"block_length is 0\.5"):
        function(models, benchmark, block_length=0.5)
    with pytest.raises(StatisticsError, match="block_length is 151; expected at most 150"):
        function(models, benchmark, block_length=151)  # every replication would be significant
    with pytest.raises(StatisticsError, match="replications is 0"):
        function(models, benchmark, replications=0)


def test_a_wrong_setting_is_named():
    models, benchmark = _market(8)
    with pytest.raises(StatisticsError, match="size is 1"):
        superior_models(models, benchmark, size=1)
    with pytest.raises(StatisticsError, match="scale is 'x'"):
        superior_predictive_ability(models, benchmark, scale="x")
    with pytest.raises(StatisticsError, match="centring is 'mean'"):
        superior_models(models, benchmark, centring="mean")


def test_no_model_without_skill_is_named_more_often_than_the_size_says():
    """150 markets in which half of the models are good and the others are not: 10 % and two standard errors."""
    wrong = 0
    for seed in range(150):
        models = np.random.default_rng(seed).standard_normal((300, 10)) + 0.5 * (np.arange(10) < 5)
        found = superior_models(models, np.zeros(300), size=0.1, replications=200, block_length=2, seed=seed)
        assert set(range(5)) <= set(found.models)
        wrong += len(found.models) > 5
    assert wrong / 150 <= 0.15
