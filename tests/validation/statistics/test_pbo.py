"""PBO against its definition, computed the slow way, and what is known of it exactly."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress, rankdata

from strategy_optimizer import evaluate_population, get_strategy
from strategy_optimizer.errors import StatisticsError
from strategy_optimizer.validation.statistics import NotEnough, block_sums, overfitting_probability


def slow_cscv(returns, n_blocks):
    """Follow the paper: put the blocks of every split together and rank the trials' Sharpe ratios."""
    n_trials = returns.shape[1]
    length = len(returns) // n_blocks
    blocks = returns[len(returns) % n_blocks :].reshape(n_blocks, length, n_trials)
    rows = []
    for chosen in combinations(range(n_blocks), n_blocks // 2):
        others = [b for b in range(n_blocks) if b not in chosen]
        inside, outside = (blocks[list(half)].reshape(-1, n_trials) for half in (chosen, others))
        in_sample, out_of_sample = (_sharpe(half) for half in (inside, outside))
        best = int(np.argmax(in_sample))
        relative = rankdata(out_of_sample)[best] / (n_trials + 1)
        rows.append((best, np.log(relative / (1 - relative)), in_sample[best], out_of_sample[best]))
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def _sharpe(returns):
    deviations = returns.std(axis=0, ddof=1)
    flat = deviations < 1e-12
    return np.where(flat, 0.0, returns.mean(axis=0) / np.where(flat, 1.0, deviations))


def assert_is_slow(returns, n_blocks, **options):
    found = overfitting_probability(block_sums(returns, n_blocks), **options)
    winners, logits, in_sample, out_of_sample = slow_cscv(returns, n_blocks)
    np.testing.assert_array_equal(found.winners, winners)
    np.testing.assert_allclose(found.logits, logits, atol=1e-12)
    np.testing.assert_allclose(found.in_sample, in_sample, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.out_of_sample, out_of_sample, rtol=1e-9, atol=1e-12)
    assert found.pbo == (logits <= 1e-12).mean()
    assert found.loss_probability == (out_of_sample < 0).mean()


@pytest.mark.parametrize(("n_blocks", "n_trials"), [(2, 3), (4, 7), (6, 2), (8, 30), (12, 11)])
@pytest.mark.parametrize("seed", range(3))
def test_the_slow_twin(n_blocks, n_trials, seed):
    rng = np.random.default_rng(seed)
    returns = rng.standard_t(3, (n_blocks * 7 + 1, n_trials)) * 0.01 + rng.normal(0.0, 0.003, n_trials)
    assert_is_slow(returns, n_blocks)


def test_every_split_of_sixteen_blocks_once():
    returns = np.random.default_rng(0).standard_normal((48, 12))
    found = overfitting_probability(block_sums(returns))
    winners, logits, _, _ = slow_cscv(returns, 16)
    assert len(found.logits) == 12_870
    np.testing.assert_array_equal(found.winners, winners)
    np.testing.assert_allclose(found.logits, logits, atol=1e-12)


def test_equal_trials_share_their_rank_and_the_first_wins():
    rng = np.random.default_rng(4)
    three = rng.standard_normal((60, 3))
    returns = np.concatenate([three, three, three[:, :1]], axis=1)
    assert_is_slow(returns, 6)
    assert set(overfitting_probability(block_sums(returns, 6)).winners) <= {0, 1, 2}


def test_a_half_without_a_trade_has_a_sharpe_ratio_of_zero():
    returns = np.random.default_rng(5).standard_normal((80, 6)) * 0.01 - 0.003
    returns[:40, 2] = returns[20:, 3] = returns[:, 4] = 0.0
    assert_is_slow(returns, 8)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), n_blocks=st.sampled_from([2, 4, 6]), n_trials=st.integers(2, 6))
def test_small_returns_with_many_ties(data, n_blocks, n_trials):
    """Whole returns, so that sums are exact and ties are real; three a block, so that few halves are constant."""
    values = data.draw(st.lists(st.sampled_from([-2.0, 0.0, 1.0]), min_size=9, max_size=9))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    returns = rng.choice(values, (3 * n_blocks, n_trials))
    found = overfitting_probability(block_sums(returns, n_blocks))
    if isinstance(found, NotEnough):
        assert (returns == returns[:, :1]).all() or found.what == "distinct trials"
        return
    assert 0.0 <= found.pbo <= 1.0
    assert np.isfinite(found.logits).all()
    relative = 1.0 / (1.0 + np.exp(-found.logits))
    ranks = relative * (n_trials + 1)
    np.testing.assert_allclose(ranks * 2, np.rint(ranks * 2), atol=1e-9)
    assert ranks.min() > 1 - 1e-9
    assert ranks.max() < n_trials + 1e-9


def test_a_trial_that_always_wins_is_not_overfit():
    returns = np.random.default_rng(0).standard_normal((160, 10))
    returns[:, 7] += 50.0
    found = overfitting_probability(block_sums(returns, 10))
    assert found.pbo == 0.0
    assert found.logits.mean() == pytest.approx(np.log(10))
    assert set(found.winners) == {7}


def test_what_one_half_gains_the_other_loses():
    """With equal risks, trials without any mean over the whole history are worst out of sample when best in sample."""
    rng = np.random.default_rng(1)
    signs = np.where(rng.random((160, 10)) < 0.5, -1.0, 1.0) + 1e-3 * rng.standard_normal((160, 10))
    found = overfitting_probability(block_sums(signs - signs.mean(axis=0), 8))
    assert found.pbo == 1.0
    assert found.logits.mean() == pytest.approx(-np.log(10), abs=0.1)
    assert found.degradation.slope == pytest.approx(-1.0, abs=0.1)


def test_an_edge_is_seen_and_its_absence_is_one_half():
    rng = np.random.default_rng(2)
    noise = [rng.standard_normal((400, 60)) for _ in range(24)]
    null = [overfitting_probability(block_sums(r, 10)).pbo for r in noise]
    edge = [overfitting_probability(block_sums(r + 0.3 * (np.arange(60) < 6), 10)).pbo for r in noise]
    assert abs(np.mean(null) - 0.5) < 3 * np.std(null) / 24**0.5 + 0.03
    assert np.mean(edge) < 0.02


def test_the_result_does_not_depend_on_threads_or_units():
    blocks = block_sums(np.random.default_rng(3).standard_normal((160, 30)), 10)
    one, two = (overfitting_probability(blocks, threads=k) for k in (1, 2))
    percent = overfitting_probability(blocks * np.array([1.0, 100.0, 10_000.0]))
    np.testing.assert_array_equal(one.logits, two.logits)
    np.testing.assert_allclose(one.logits, percent.logits)
    np.testing.assert_allclose(one.in_sample, percent.in_sample)


def test_failed_trials_are_left_out_and_counted():
    returns = np.random.default_rng(6).standard_normal((80, 5))
    blocks = block_sums(returns, 8)
    found = overfitting_probability(np.concatenate([np.zeros((1, 8, 3)), blocks, np.full((2, 8, 3), np.nan)]))
    alone = overfitting_probability(blocks)
    assert (found.n_trials, found.left_out) == (5, 3)
    np.testing.assert_array_equal(found.winners, alone.winners + 1)
    np.testing.assert_array_equal(found.logits, alone.logits)


def test_the_degradation_is_scipys_regression():
    found = overfitting_probability(block_sums(np.random.default_rng(7).standard_normal((160, 12)), 10))
    line = linregress(found.in_sample, found.out_of_sample)
    assert tuple(found.degradation) == pytest.approx((line.slope, line.intercept, line.rvalue**2))


def test_the_kernels_block_sums_fit(sp500):
    """Blocks of the backtest may differ by one return; the whole history's Sharpe ratio is the metric's."""
    candidates = [{"lookback_period": n} for n in range(10, 40, 3)]
    table = evaluate_population(get_strategy("momentum"), candidates, sp500, periods_per_year=1.0)
    found = overfitting_probability(table.blocks)
    assert found.n_blocks == 16
    assert found.n_trials == 10
    totals = table.blocks.sum(axis=1)
    mean = totals[:, 1] / totals[:, 0]
    deviation = np.sqrt((totals[:, 2] - totals[:, 0] * mean**2) / (totals[:, 0] - 1))
    np.testing.assert_allclose(mean / deviation, table["sharpe_ratio"], rtol=1e-9)


def test_constant_returns_have_an_infinite_sharpe_ratio_and_no_regression():
    returns = np.random.default_rng(8).standard_normal((40, 3))
    returns[:, 1] = 0.01
    found = overfitting_probability(block_sums(returns, 4))
    assert found.pbo == 0.0
    assert np.isinf(found.in_sample).all()
    assert found.degradation == NotEnough("finite Sharpe ratios", 0, 12)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (np.ones((3, 5, 3)), "the number of blocks is 5"),
        (np.ones((3, 22, 3)), "the number of blocks is 22"),
        (np.ones((3, 4, 2)), "the last dimension of blocks is 2"),
        (np.ones((3, 4)), "blocks has the shape"),
        (np.arange(24.0).reshape(2, 4, 3) + 1, "trials of different lengths"),
    ],
)
def test_a_wrong_shape_is_named(blocks, message):
    with pytest.raises(StatisticsError, match=message):
        overfitting_probability(blocks)


def test_the_first_rows_are_dropped():
    returns = np.arange(7.0)[:, None]
    assert block_sums(returns, 2)[0].tolist() == [[3.0, 6.0, 14.0], [3.0, 15.0, 77.0]]
