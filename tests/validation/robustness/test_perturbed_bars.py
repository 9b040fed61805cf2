"""Perturbed markets are markets: consistent, of the stated noise, made of the same bars."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import random_bars
from strategy_optimizer.market import check_bars
from strategy_optimizer.validation.altered_bars import PRICES
from strategy_optimizer.validation.robustness.perturbed_bars import (
    dropped_rows,
    market_block_length,
    noisy_bars,
    resampled_bars,
    without_bars,
)
from strategy_optimizer.validation.statistics import optimal_block_length, stationary_indices


def _perturbed(kind, bars, seed):
    rng = np.random.default_rng(seed)
    if kind == "noise":
        return noisy_bars(bars, 0.5, rng)
    if kind == "resampling":
        return resampled_bars(bars, 7.0, rng)
    return without_bars(bars, dropped_rows(bars.n_bars, 0.1, rng))


@settings(deadline=None)
@given(
    kind=st.sampled_from(["noise", "resampling", "dropped_bars"]),
    seed=st.integers(0, 1000),
    n_symbols=st.integers(1, 3),
    wild=st.sampled_from([0.001, 0.03, 0.2]),
)
def test_open_and_close_lie_between_low_and_high(kind, seed, n_symbols, wild):
    bars = random_bars(seed, 80, n_symbols=n_symbols, wild=wild)
    found = _perturbed(kind, bars, seed)
    assert (found.low > 0.0).all()
    assert (found.low <= np.minimum(found.open, found.close)).all()
    assert (found.high >= np.maximum(found.open, found.close)).all()
    assert found.symbols == bars.symbols
    assert found == _perturbed(kind, bars, seed)
    assert found != bars


@pytest.mark.parametrize("kind", ["noise", "resampling", "dropped_bars"])
def test_real_bars_stay_without_a_problem_of_prices(nasdaq, kind):
    found = _perturbed(kind, nasdaq, 0)
    problems = {problem.kind for problem in check_bars(found).problems}
    assert not problems & {"unsorted", "duplicate", "missing", "non_positive", "high_below_low"}


def test_the_noise_has_the_stated_share_of_the_volatility(nasdaq):
    found = noisy_bars(nasdaq, 0.1, np.random.default_rng(0))
    sd = np.diff(np.log(nasdaq.close)).std()
    for name in ("open", "close"):
        noise = np.log(getattr(found, name) / getattr(nasdaq, name))
        assert noise.std() == pytest.approx(0.1 * sd, rel=0.05)
        assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.05
    assert found.periods_per_year == nasdaq.periods_per_year


@pytest.mark.parametrize("n_symbols", [1, 2])
def test_resampled_bars_are_the_same_bars_over_the_close_before(n_symbols):
    """The slow twin: bar by bar, each price over the close before it."""
    bars = random_bars(4, 60, n_symbols=n_symbols)
    found = resampled_bars(bars, 5.0, np.random.default_rng(9))
    rows = 1 + stationary_indices(59, 5.0, 1, np.random.default_rng(9))[0]
    close = np.array(bars.close[0])
    for t, row in enumerate(rows.tolist(), start=1):
        for name in PRICES:
            expected = close * getattr(bars, name)[row] / bars.close[row - 1]
            np.testing.assert_allclose(getattr(found, name)[t], expected, rtol=1e-12)
        np.testing.assert_array_equal(found.volume[t], bars.volume[row])
        close = found.close[t]
    np.testing.assert_array_equal(found.timestamp, bars.timestamp)
    np.testing.assert_array_equal(found.close[0], bars.close[0])


def test_the_block_length_is_that_of_the_most_dependent_series(nasdaq):
    returns = np.diff(np.log(nasdaq.close))
    expected = max(optimal_block_length(x).stationary for x in (returns, np.abs(returns)))
    assert market_block_length(nasdaq) == pytest.approx(expected)
    assert expected > 50.0  # volatility comes in clusters


@settings(deadline=None)
@given(n=st.integers(3, 300), share=st.floats(0.001, 0.999), seed=st.integers(0, 99))
def test_dropped_bars_are_a_share_of_those_inside(n, share, seed):
    rows = dropped_rows(n, share, np.random.default_rng(seed))
    assert len(rows) == min(max(1, round(share * n)), n - 2) == len(set(rows.tolist()))
    assert rows.min() > 0
    assert rows.max() < n - 1
    assert (np.diff(rows) > 0).all()


def test_without_bars_takes_whole_rows():
    bars = random_bars(4, 30, n_symbols=2)
    found = without_bars(bars, np.array([3, 10, 11]))
    kept = [i for i in range(30) if i not in (3, 10, 11)]
    np.testing.assert_array_equal(found.low, bars.low[kept])
    np.testing.assert_array_equal(found.timestamp, bars.timestamp[kept])
