"""Every statistic of a series says what is lacking, in the same words; none returns a silent NaN."""

from __future__ import annotations

import numpy as np
import pytest

from strategy_optimizer.validation import statistics as s

NAN = np.where(np.arange(100) == 5, np.nan, np.random.default_rng(0).standard_normal(100))
SERIES = {
    "sharpe_moments": (s.sharpe_moments, 4),
    "lo_sharpe": (lambda r: s.lo_sharpe(r, 12), 20),
    "optimal_block_length": (s.optimal_block_length, 20),
    "confidence_bands": (lambda r: s.confidence_bands(r, {"mean": lambda x: x.mean(axis=1)})["mean"], 20),
}


@pytest.mark.parametrize(("function", "needed"), SERIES.values(), ids=SERIES)
def test_a_series_lacks(function, needed):
    returns = np.random.default_rng(0).standard_normal(100)
    assert function(returns[: needed - 1]) == s.NotEnough("returns", needed - 1, needed)
    assert function([]) == s.NotEnough("returns", 0, needed)
    assert function(NAN) == s.NotEnough("finite returns", 99, 100)
    assert function(np.full(100, 0.01)) == s.NotEnough("distinct returns", 1, 2)
    assert function(np.zeros(100)) == s.NotEnough("distinct returns", 1, 2)
    assert not isinstance(function(returns[:needed]), s.NotEnough)


MOMENTS = {
    "psr_2012": s.psr_2012,
    "psr_h0": s.psr_h0,
    "sharpe_standard_error_2012": s.sharpe_standard_error_2012,
    "sharpe_standard_error_h0": s.sharpe_standard_error_h0,
    "minimum_track_record_2012": s.minimum_track_record_2012,
    "minimum_track_record_h0": s.minimum_track_record_h0,
    "critical_sharpe": s.critical_sharpe,
    "sharpe_power": lambda m: s.sharpe_power(m, 0.1),
    "observed_false_discovery_rate": lambda m: s.observed_false_discovery_rate(m, 0.1, 0.1),
    "level_for_false_discovery_rate": lambda m: s.level_for_false_discovery_rate(m, 0.1, 0.1, 0.2),
    "deflated_sharpe_2012": lambda m: s.deflated_sharpe_2012(m, n_trials=10, trials_variance=0.01),
    "deflated_sharpe_h0": lambda m: s.deflated_sharpe_h0(m, n_trials=10, trials_variance=0.01),
}


@pytest.mark.parametrize("function", MOMENTS.values(), ids=MOMENTS)
def test_moments_lack(function):
    assert function(s.SharpeMoments(0.1, 1)) == s.NotEnough("returns", 1, 2)
    assert function(s.SharpeMoments(np.nan, 100)) == s.NotEnough("finite moments", 3, 4)
    assert function(s.SharpeMoments(0.1, 100, np.nan, np.inf)) == s.NotEnough("finite moments", 2, 4)


def test_moments_of_no_distribution_have_no_standard_error():
    impossible = s.SharpeMoments(1.0, 100, skew=3.0, kurtosis=1.0)
    assert s.psr_2012(impossible) == s.NotEnough("variances above zero", 0, 1)


def test_trials_lack():
    returns = np.random.default_rng(0).standard_normal((32, 3))
    lacking = {
        "trials": (returns[:, :1], 1, 2),
        "distinct trials": (returns[:, [0, 0, 0]], 1, 2),
        "returns in a block": (returns[:16], 1, 2),
    }
    for what, (matrix, found, needed) in lacking.items():
        assert s.overfitting_probability(s.block_sums(matrix)) == s.NotEnough(what, found, needed)
    nothing = np.full((3, 16, 3), np.nan)
    assert s.overfitting_probability(nothing) == s.NotEnough("trials", 0, 2)
    assert s.overfitting_probability(np.empty((0, 16, 3))) == s.NotEnough("trials", 0, 2)
    assert s.maximum_distribution(returns[:19]) == s.NotEnough("returns", 19, 20)
    assert s.maximum_distribution(np.ones((32, 3))) == s.NotEnough("trials that vary", 0, 1)
    assert s.maximum_distribution(np.empty((32, 0))) == s.NotEnough("trials that vary", 0, 1)


def test_it_reads_as_a_sentence():
    assert str(s.NotEnough("returns", 1, 1250)) == "not enough returns: found 1, needed 1,250"
    assert str(s.NotEnough("true discoveries, in per cent", 12.345678, 75)).endswith(
        "found 12.3457, needed 75"
    )
