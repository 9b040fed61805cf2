"""How many independent trials: planted numbers, bounds, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strategy_optimizer.errors import StatisticsError
from strategy_optimizer.validation.statistics import (
    NotEnough,
    TrialCounts,
    average_correlation_count,
    cluster_count,
    distinct_count,
    effective_rank,
    effective_rank_of,
    independent_trials,
    trial_counts,
)
from strategy_optimizer.validation.statistics.clusters import _silhouettes


def _groups(n_groups, copies, noise, periods=250, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n_groups, periods))
    return np.repeat(centres, copies, axis=0) + noise * rng.standard_normal((n_groups * copies, periods))


def test_the_mean_correlation_is_that_of_all_pairs():
    trials = _groups(3, 4, 1.0)
    correlations = np.corrcoef(trials)
    mean = correlations[~np.eye(12, dtype=bool)].mean()
    assert average_correlation_count(trials) == pytest.approx(mean + (1 - mean) * 12)


@pytest.mark.parametrize("periods", [5, 40])
def test_the_effective_rank_is_that_of_the_correlations(periods):
    """Also where there are more trials than periods and the smaller product is taken."""
    trials = _groups(4, 5, 0.5, periods=periods)
    assert effective_rank(trials) == pytest.approx(effective_rank_of(np.corrcoef(trials)), rel=1e-6)
    assert effective_rank(trials) <= min(20, periods - 1)


@pytest.mark.parametrize("n_groups", [2, 5, 12])
@pytest.mark.parametrize("seed", range(3))
def test_planted_clusters_are_found(n_groups, seed):
    trials = _groups(n_groups, 20, 0.5, seed=seed)
    assert abs(cluster_count(trials, seed=seed) - n_groups) <= (0 if n_groups < 10 else 1)


def test_a_sample_of_many_trials_is_enough_for_their_clusters():
    trials = _groups(6, 200, 0.4)
    assert cluster_count(trials, most_rows=150) == 6
    assert cluster_count(trials, most_rows=150, seed=1) == cluster_count(trials, most_rows=150, seed=1)


def test_silhouettes_by_their_definition():
    rng = np.random.default_rng(0)
    points, labels = rng.standard_normal((12, 2)), np.array([0] * 5 + [1] * 4 + [2] * 2 + [3])
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    expected = []
    for i in range(12):
        own = [distances[i, j] for j in range(12) if labels[j] == labels[i] and j != i]
        if not own:
            expected.append(0.0)
            continue
        a = np.mean(own)
        b = min(distances[i, labels == k].mean() for k in range(4) if k != labels[i])
        expected.append((b - a) / max(a, b))
    np.testing.assert_allclose(_silhouettes(distances.astype(np.float32), labels, 4), expected, atol=1e-6)


def test_equal_trials_are_one():
    trials = np.tile(np.random.default_rng(0).standard_normal(50), (30, 1))
    found = trial_counts(trials)
    assert found == TrialCounts(1, pytest.approx(1.0), pytest.approx(1.0), 1)
    assert trial_counts(trials[:1]) == TrialCounts(1, 1.0, pytest.approx(1.0), 1)
    for seed in range(40):  # whose correlation is rounded to a little more than 1 for some
        five = np.tile(np.random.default_rng(seed).standard_normal(160), (5, 1))
        assert trial_counts(five) == TrialCounts(1, pytest.approx(1.0), pytest.approx(1.0), 1)


def test_two_and_three_trials():
    rng = np.random.default_rng(0)
    assert cluster_count(rng.standard_normal((2, 100))) == 2
    assert cluster_count(rng.standard_normal((3, 100))) == 3


def test_failed_and_flat_trials():
    trials = _groups(2, 5, 0.1)
    more = np.vstack([trials, np.zeros((2, 250)), np.full((1, 250), np.nan)])
    assert distinct_count(more) == 11  # the two that never trade are the same
    assert average_correlation_count(more) == pytest.approx(average_correlation_count(trials))
    assert effective_rank(more) == pytest.approx(effective_rank(trials))
    assert cluster_count(more) == 2


def test_zero_has_no_sign():
    assert distinct_count([[0.0, 1.0], [-0.0, 1.0]]) == 1


def test_what_is_not_enough():
    assert trial_counts(np.zeros((5, 10))) == NotEnough("trials that vary", 0, 1)
    assert trial_counts(np.full((5, 10), np.nan)) == NotEnough("trials that vary", 0, 1)
    assert trial_counts(np.random.default_rng(0).random((5, 2))) == NotEnough("periods", 2, 3)
    with pytest.raises(StatisticsError, match="trials has the shape"):
        trial_counts([1.0, 2.0])
    with pytest.raises(StatisticsError, match="mean_correlation is 2"):
        independent_trials(2.0, 10)
    with pytest.raises(StatisticsError, match="a square"):
        effective_rank_of(np.ones((2, 3)))


@given(
    arrays(float, st.tuples(st.integers(1, 12), st.integers(3, 8)), elements=st.integers(-3, 3).map(float))
)
def test_every_count_is_between_one_and_the_trials(trials):
    found = trial_counts(trials)
    if isinstance(found, NotEnough):
        assert (trials == trials[:, :1]).all()
        return
    n = len(trials)
    assert 1 <= found.clusters <= n
    assert 1 <= found.distinct <= n
    assert 1.0 - 1e-9 <= found.average_correlation <= n + 1e-9
    assert 1.0 - 1e-9 <= found.effective_rank <= min(n, trials.shape[1] - 1) + 1e-9


def test_trials_of_equal_returns_are_one():
    """Their mean correlation is 1 but for rounding, which may go either way."""
    for seed in range(50):
        row = np.random.default_rng(seed).standard_normal(100 + seed)
        assert average_correlation_count(np.tile(row, (40 + seed, 1))) == pytest.approx(1.0)
