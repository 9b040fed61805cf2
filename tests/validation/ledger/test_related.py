"""How related trials are, against NumPy's correlations pair by pair."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from strategy_optimizer.backtest import PopulationEvaluator
from strategy_optimizer.market import Bars
from strategy_optimizer.tasks import FinishedSearch
from strategy_optimizer.validation.ledger import (
    Related,
    Sketch,
    Trials,
    entry_of,
    related_trials,
)
from strategy_optimizer.validation.ledger.entry import mean_diversity
from strategy_optimizer.validation.ledger.related import LEAST_MONTHS, pairwise_correlations
from strategy_optimizer.validation.statistics import NotEnough, average_correlation_count, effective_rank


def trials(returns: np.ndarray, template: Trials, months: range | None = None) -> Trials:
    numbers = np.array(months or range(returns.shape[1]), np.int32)
    return replace(template, distinct=len(returns), sketch=Sketch(numbers, returns.astype(np.float32)))


@pytest.fixture
def template(entry: Callable) -> Trials:
    return entry().trials


def test_each_pair_is_over_the_months_that_both_have() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(0.0, 0.02, (6, 60)) + rng.normal(0.0, 0.02, 60)
    rows[0, :20], rows[1, 40:], rows[2, : 60 - LEAST_MONTHS + 1] = np.nan, np.nan, np.nan
    found = pairwise_correlations(rows)
    for i in range(6):
        for j in range(6):
            both = np.isfinite(rows[i]) & np.isfinite(rows[j])
            enough = both.sum() >= LEAST_MONTHS
            expected = np.corrcoef(rows[i, both], rows[j, both])[0, 1] if enough else float(i == j)
            assert found[i, j] == pytest.approx(expected, abs=1e-9), (i, j)


def test_of_one_task_it_is_the_count_by_average_correlation(template: Trials) -> None:
    rng = np.random.default_rng(1)
    rows = (rng.normal(0.0, 0.02, (30, 90)) + rng.normal(0.0, 0.02, 90)).astype(np.float32)
    found = related_trials([trials(rows, template)], 30)
    assert isinstance(found, Related)
    assert found.independent == pytest.approx(average_correlation_count(rows), rel=1e-5)
    assert found.effective_rank == pytest.approx(effective_rank(rows), rel=1e-5)
    assert found.sketched == 30


def test_the_same_trials_are_one_and_unrelated_ones_are_all(template: Trials) -> None:
    rng = np.random.default_rng(2)
    row = rng.normal(0.0, 0.02, (1, 2000))
    same = related_trials([trials(np.repeat(row, 20, axis=0), template)] * 3, 60)
    apart = related_trials([trials(rng.normal(0.0, 0.02, (20, 2000)), template) for _ in range(3)], 60)
    assert isinstance(same, Related)
    assert isinstance(apart, Related)
    assert same.independent == pytest.approx(1.0, abs=1e-3)
    assert apart.independent == pytest.approx(60.0, abs=0.5)


def test_a_task_weighs_as_many_trials_as_it_made(template: Trials) -> None:
    """Two tasks, alike inside and unrelated to each other: the larger one decides."""
    rng = np.random.default_rng(3)
    parts = [trials(np.repeat(rng.normal(0.0, 0.02, (1, 2000)), 10, axis=0), template) for _ in range(2)]
    equal = related_trials(parts, 20)
    large = related_trials([replace(parts[0], distinct=990), replace(parts[1], distinct=10)], 1000)
    assert isinstance(equal, Related)
    assert isinstance(large, Related)
    assert equal.mean_correlation == pytest.approx(0.47, abs=0.03)  # 180 of 380 pairs are within a task
    assert large.mean_correlation == pytest.approx(0.98, abs=0.01)


def test_without_returns_there_is_no_number(template: Trials) -> None:
    none = replace(template, sketch=Sketch.none())
    flat = trials(np.zeros((5, 40)), template)
    short = trials(np.random.default_rng(0).normal(size=(5, LEAST_MONTHS - 1)), template)
    assert isinstance(related_trials([none, flat, short], 10), NotEnough)


def test_many_tasks_are_sampled(template: Trials) -> None:
    rng = np.random.default_rng(4)
    parts = [trials(rng.normal(0.0, 0.02, (64, 40)), template) for _ in range(300)]
    found = related_trials(parts, 300 * 64)
    assert isinstance(found, Related)
    assert found.sketched == 256


def test_a_sketch_holds_the_monthly_returns_of_an_even_sample(
    market: Bars, search_of: Callable[..., FinishedSearch]
) -> None:
    from strategy_optimizer.backtest import run_backtest
    from strategy_optimizer.validation.ledger import SKETCHED

    search = search_of(market, evaluations=100)
    sketch = entry_of(search).trials.sketch
    start, stop = search.in_sample
    names = market.timestamp[start + 1 : stop].view("M8[ns]").astype("M8[M]")
    assert sketch.returns.shape == (SKETCHED, len(np.unique(names)))
    seed = zlib.crc32(search.task_id.encode())
    points = search.space.sample(SKETCHED, np.random.default_rng(seed), "sobol")
    for row, params in enumerate(search.space.to_dicts(points[:5])):
        equity = run_backtest(search.bound_strategy, params, market, search.rules).equity
        returns = equity[1:] / equity[:-1] - 1.0
        for column, month in enumerate(sketch.months.tolist()):
            expected = returns[names.astype(int) == month].sum()
            assert sketch.returns[row, column] == pytest.approx(expected, abs=1e-7)
    weeks = replace(search.rules, n_blocks=(stop - start - 1) // 5)
    sums = PopulationEvaluator(search.strategy, market, weeks).evaluate(points).blocks[:, :, 1]
    alike = np.corrcoef(sums)[np.triu_indices(SKETCHED, 1)].mean()
    assert sketch.diversity == pytest.approx(1.0 - alike, rel=0.15)  # weeks begin elsewhere there


def test_without_two_trials_that_vary_no_diversity_is_known(template: Trials) -> None:
    known = replace(template, distinct=30, sketch=replace(template.sketch, diversity=0.4))
    other = replace(template, distinct=10, sketch=replace(template.sketch, diversity=0.8))
    assert mean_diversity([known, other]) == pytest.approx(0.5)
    assert mean_diversity([known, replace(template, sketch=Sketch.none())]) is None
