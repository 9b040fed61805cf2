"""Resampling, block lengths, confidence bands and the bootstrapped maximum."""

from __future__ import annotations

import numpy as np
import pytest

from strategy_optimizer.errors import StatisticsError
from strategy_optimizer.validation.statistics import (
    NotEnough,
    circular_indices,
    confidence_bands,
    maximum_distribution,
    optimal_block_length,
    resampling,
    stationary_indices,
)


def _autoregression(rng, n, rho):
    x = rng.standard_normal(n)
    for t in range(1, n):
        x[t] += rho * x[t - 1]
    return x


def _sharpe(returns):
    return returns.mean(axis=1) / returns.std(axis=1, ddof=1)


@pytest.mark.parametrize(("n", "length"), [(50, 1.0), (101, 7.5), (400, 40.0)])
def test_stationary_indices_follow_one_another_until_a_block_ends(n, length):
    rows = stationary_indices(n, length, 200, np.random.default_rng(0))
    assert rows.shape == (200, n)
    assert rows.min() >= 0
    assert rows.max() < n
    follows = rows[:, 1:] == (rows[:, :-1] + 1) % n
    chance = 1.0 - (1.0 - 1.0 / n) / length  # also a new block may start at the next row
    assert follows.mean() == pytest.approx(chance, abs=4 * 0.5 / (200 * n) ** 0.5)


def test_stationary_indices_are_archs():
    from arch.bootstrap import StationaryBootstrap

    data = np.arange(60.0)
    drawn = [row[0][0] for row in StationaryBootstrap(5, data, seed=3).bootstrap(20)]
    found = stationary_indices(60, 5, 20, np.random.default_rng(3))
    np.testing.assert_array_equal(data[found], drawn)


def test_circular_indices_are_blocks_of_one_length():
    rows = circular_indices(10, 4, 50, np.random.default_rng(0))
    for block in (rows[:, :4], rows[:, 4:8], rows[:, 8:]):
        np.testing.assert_array_equal(np.diff(block, axis=1) % 10, 1)
    assert rows.shape == (50, 10)
    with pytest.raises(StatisticsError, match=r"block_length is 2\.5"):
        circular_indices(10, 2.5, 1, np.random.default_rng(0))


def test_pieces_make_the_same_whole(monkeypatch):
    whole = stationary_indices(30, 4, 50, np.random.default_rng(1))
    monkeypatch.setattr(resampling, "_AT_ONCE", 200)
    pieces = list(resampling.index_chunks(30, 4, 50, np.random.default_rng(1)))
    assert max(map(len, pieces)) == 6
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    weights = np.concatenate(list(resampling.weight_chunks(30, 4, 50, np.random.default_rng(1))))
    values = np.random.default_rng(2).standard_normal(30)
    np.testing.assert_allclose(weights @ values, values[whole].mean(axis=1), atol=1e-14)


@pytest.mark.parametrize("kept", [0, 10_000])
def test_weights_that_are_kept_are_those_of_the_seed(monkeypatch, kept):
    monkeypatch.setattr(resampling, "_KEPT", kept)
    for seed in (1, 2, 1):
        found = np.concatenate([*resampling.seeded_weights(30, 4.0, 50, seed)])
        fresh = np.concatenate([*resampling.weight_chunks(30, 4.0, 50, np.random.default_rng(seed))])
        np.testing.assert_array_equal(found, fresh)
    (first,) = resampling.seeded_weights(30, 4.0, 50, 1)
    assert (first is next(iter(resampling.seeded_weights(30, 4.0, 50, 1)))) == bool(kept)


@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.3, 0.8])
@pytest.mark.parametrize("n", [1000, 4000])
def test_block_lengths_are_archs(rho, n):
    """Ours are at least 1. On a few dozen observations the two may choose another bandwidth."""
    from arch.bootstrap import optimal_block_length as oracle

    for seed in range(5):
        x = _autoregression(np.random.default_rng(seed), n, rho)
        expected = np.maximum(oracle(x).to_numpy()[0], 1.0)
        np.testing.assert_allclose(optimal_block_length(x), expected, rtol=1e-9)


def test_a_block_length_has_bounds():
    walk = np.random.default_rng(2).standard_normal(3000).cumsum()
    assert max(optimal_block_length(walk)) <= np.ceil(3 * 3000**0.5)
    assert min(optimal_block_length(np.tile([1.0, -1.0], 50))) >= 1.0


def test_bands_cover_the_truth_as_often_as_they_say():
    """Of an AR(1), where independent resampling would cover too rarely."""
    covered = {"blocks": 0, "single": 0}
    for seed in range(150):
        returns = _autoregression(np.random.default_rng(seed), 400, 0.5)
        for name, length in (("blocks", None), ("single", 1.0)):
            band = confidence_bands(
                returns, {"mean": lambda r: r.mean(axis=1)}, replications=200, block_length=length, seed=seed
            )["mean"]
            covered[name] += band.lower <= 0.0 <= band.upper
    assert 0.80 < covered["blocks"] / 150 < 0.96
    assert covered["single"] / 150 < 0.75


def test_bands_of_several_statistics():
    returns = np.random.default_rng(0).normal(0.001, 0.01, 300)
    statistics = {
        "sharpe": _sharpe,
        "worst": lambda r: r.min(axis=1),
        "none": lambda r: np.full(len(r), np.nan),
    }
    found = confidence_bands(returns, statistics, level=0.8, replications=500, seed=1)
    assert found["sharpe"].lower < found["sharpe"].estimate < found["sharpe"].upper
    assert found["worst"].lower == found["worst"].estimate == returns.min()
    assert found["none"] == NotEnough("resampled values", 0, 500)
    alone = confidence_bands(returns, {"sharpe": _sharpe}, level=0.8, replications=500, seed=1)
    assert alone["sharpe"] == found["sharpe"]


def test_infinite_values_have_their_place_in_a_band():
    returns = np.abs(np.random.default_rng(0).standard_normal(50))
    band = confidence_bands(returns, {"ratio": lambda r: np.full(len(r), np.inf)})["ratio"]
    assert band.lower == band.upper == np.inf


def test_a_statistic_of_the_wrong_shape_is_named():
    with pytest.raises(StatisticsError, match="the number of values of mean"):
        confidence_bands(np.random.default_rng(0).random(30), {"mean": lambda r: r.mean(axis=0)})


def test_the_maximum_the_slow_way():
    trials = np.random.default_rng(0).standard_normal((60, 7))
    found = maximum_distribution(trials, block_length=5, replications=40, seed=2)
    centred = trials - trials.mean(axis=0)
    maxima = []
    for row in stationary_indices(60, 5, 40, np.random.default_rng(2)):
        sample = centred[row]
        maxima.append((sample.mean(axis=0) / sample.std(axis=0, ddof=1)).max())
    np.testing.assert_allclose(found.maxima, np.sort(maxima), rtol=1e-9)
    sharpes = trials.mean(axis=0) / trials.std(axis=0, ddof=1)
    assert (found.observed, found.best) == (pytest.approx(sharpes.max()), int(sharpes.argmax()))
    assert found.p_value == np.mean(np.array(maxima) > sharpes.max())


def test_the_maximum_of_independent_trials_is_the_expected_one():
    from strategy_optimizer.validation.statistics import expected_maximum

    trials = np.random.default_rng(0).standard_normal((2000, 100))
    found = maximum_distribution(trials, block_length=1.0, replications=400)
    assert found.maxima.mean() * 2000**0.5 == pytest.approx(expected_maximum(100).mean, abs=0.08)


def test_trials_that_fail_or_never_trade_are_left_out():
    trials = np.random.default_rng(0).standard_normal((60, 4))
    more = np.column_stack([np.zeros(60), trials, np.full(60, np.nan)])
    alone, found = (maximum_distribution(t, block_length=3, replications=50) for t in (trials, more))
    np.testing.assert_array_equal(found.maxima, alone.maxima)
    assert (found.best, found.n_trials, found.left_out) == (alone.best + 1, 4, 2)


def test_the_best_of_trials_without_skill_is_found_out():
    """150 searches without an edge, of similar and autocorrelated trials: 5 % and two standard errors."""
    p_values = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal((501, 20)) + rng.standard_normal((501, 1))
        trials = noise[1:] + 0.1 * noise[:-1]
        p_values.append(maximum_distribution(trials, replications=200, seed=seed).p_value)
    assert np.mean(np.array(p_values) < 0.05) <= 0.086
    assert 0.3 < np.median(p_values) < 0.7
