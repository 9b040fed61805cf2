"""Moments, standard errors and probabilities of Sharpe ratios beyond the published numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from strategy_optimizer.backtest.metrics import equity_metrics
from strategy_optimizer.errors import StatisticsError
from strategy_optimizer.validation.statistics import (
    NotEnough,
    SharpeMoments,
    critical_sharpe,
    false_discovery_rate,
    level_for_false_discovery_rate,
    minimum_track_record_2012,
    minimum_track_record_h0,
    observed_false_discovery_rate,
    psr_2012,
    psr_h0,
    sharpe_moments,
    sharpe_power,
    sharpe_standard_error_2012,
    sharpe_standard_error_h0,
)
from strategy_optimizer.validation.statistics.normal import normal_cdf, normal_quantile

sharpes = st.floats(-1.0, 1.0)
skews = st.floats(-2.0, 2.0)


@st.composite
def moments(draw):
    skew = draw(skews)
    kurtosis = 1.0 + skew**2 + draw(st.floats(0.1, 10.0))  # no distribution has less
    return SharpeMoments(
        draw(sharpes), draw(st.integers(10, 2000)), skew, kurtosis, draw(st.floats(0.0, 0.9))
    )


def test_moments_are_those_of_scipy_and_of_the_backtest():
    from scipy import stats

    returns = np.random.default_rng(3).standard_t(4, 300) * 0.01
    found = sharpe_moments(returns)
    assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), abs=1e-14)
    assert found.skew == pytest.approx(stats.skew(returns), abs=1e-12)
    assert found.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), abs=1e-12)
    equity = [100.0, *(100.0 * np.cumprod(1.0 + returns))]
    metrics = equity_metrics(equity, 100.0, 1.0, periods_per_year=1.0)
    assert metrics["sharpe_ratio"] == pytest.approx(found.sharpe, abs=1e-9)
    assert (metrics["skew"], metrics["kurtosis"]) == pytest.approx((found.skew, found.kurtosis), abs=1e-9)


def test_the_first_autocorrelation_by_hand():
    # Mean 0, so (1 * -1 + -1 * 2 + 2 * -2) / (1 + 1 + 4 + 4)
    assert sharpe_moments([1.0, -1.0, 2.0, -2.0]).autocorrelation == pytest.approx(-0.7)


@pytest.mark.parametrize("function", [psr_2012, psr_h0])
@given(found=moments(), benchmark=st.floats(-0.5, 0.5), rise=st.floats(0.0, 0.5))
def test_a_psr_is_a_probability_that_falls_with_the_benchmark(function, found, benchmark, rise):
    low = function(found, benchmark)
    assert 0.0 <= low <= 1.0
    if function is psr_2012:  # the variance of the other convention moves with the benchmark
        assert function(found, benchmark + rise) <= low
    assert function(found, found.sharpe) == pytest.approx(0.5)


@given(found=moments(), confidence=st.floats(0.6, 0.99), gap=st.floats(0.05, 0.5))
def test_a_record_of_the_minimum_length_has_the_wanted_confidence(found, confidence, gap):
    benchmark = found.sharpe - gap
    for length, probability in (
        (minimum_track_record_2012(found, benchmark, confidence=confidence), psr_2012),
        (minimum_track_record_h0(found, benchmark, confidence=confidence), psr_h0),
    ):
        assume(length >= 2)
        # Lengths may have a fraction, which the formulas take.
        record = SharpeMoments(found.sharpe, length, found.skew, found.kurtosis, found.autocorrelation)
        assert probability(record, benchmark) == pytest.approx(confidence, abs=1e-9)


def test_no_length_is_enough_for_a_sharpe_ratio_below_the_benchmark():
    found = SharpeMoments(0.1, 100)
    assert minimum_track_record_2012(found, 0.1) == minimum_track_record_h0(found, 0.2) == math.inf


@given(found=moments(), at=sharpes)
def test_the_conventions_agree_where_they_should(found, at):
    """At the observed ratio, without autocorrelation, they differ by T - 1 and T alone."""
    plain = SharpeMoments(found.sharpe, found.n_obs, found.skew, found.kurtosis)
    ratio = sharpe_standard_error_2012(plain) / sharpe_standard_error_h0(plain, plain.sharpe)
    assert ratio == pytest.approx(math.sqrt(plain.n_obs / (plain.n_obs - 1)))
    assert sharpe_standard_error_h0(found, at, maximum_variance=0.25) == pytest.approx(
        0.5 * sharpe_standard_error_h0(found, at)
    )


def test_the_h0_standard_error_of_an_ar1_is_what_a_simulation_finds():
    rng, n, rho = np.random.default_rng(0), 400, 0.3
    noise = rng.standard_normal((4000, n + 50))
    for t in range(1, n + 50):
        noise[:, t] += rho * noise[:, t - 1]
    returns = noise[:, 50:]
    found = (returns.mean(axis=1) / returns.std(axis=1, ddof=1)).std()
    expected = sharpe_standard_error_h0(SharpeMoments(0.0, n, autocorrelation=rho))
    assert found == pytest.approx(expected, rel=0.04)  # its own standard error is 1.1 %


@given(
    found=moments(),
    level=st.floats(0.001, 0.3),
    alternative=st.floats(0.05, 1.0),
    prior=st.floats(0.05, 0.95),
)
def test_level_power_and_critical_value_belong_together(found, level, alternative, prior):
    critical = critical_sharpe(found, level=level)
    record = SharpeMoments(critical, found.n_obs, found.skew, found.kurtosis, found.autocorrelation)
    assert psr_h0(record) == pytest.approx(1.0 - level, abs=1e-9)
    power = sharpe_power(found, alternative, level=level)
    if isinstance(power, NotEnough):
        return
    rate = false_discovery_rate(level, power, prior)
    observed = observed_false_discovery_rate(record, alternative, prior)
    assert observed == pytest.approx(rate, abs=1e-6)  # the oFDR is the pFDR of the observed value


@given(
    found=moments(), alternative=st.floats(0.05, 1.0), prior=st.floats(0.02, 0.9), rate=st.floats(0.02, 0.9)
)
def test_the_level_found_gives_the_rate_asked_for(found, alternative, prior, rate):
    level = level_for_false_discovery_rate(found, alternative, prior, rate)
    if isinstance(level, NotEnough):
        assert level.found < level.needed
        return
    if level < 1.0:
        power = sharpe_power(found, alternative, level=level)
        assert false_discovery_rate(level, power, prior) == pytest.approx(rate, abs=1e-6)


def test_a_ratio_beyond_numbers_is_no_false_discovery():
    assert observed_false_discovery_rate(SharpeMoments(3.0, 100_000), 0.1, 0.01) == 0.0


def test_both_tails_of_the_normal_are_exact():
    from scipy.special import ndtr, ndtri

    x = np.linspace(-30.0, 8.0, 200)
    assert [normal_cdf(v) for v in x] == pytest.approx(ndtr(x).tolist(), rel=1e-12)
    p = np.geomspace(1e-300, 0.99, 100)
    assert [normal_quantile(v) for v in p] == pytest.approx(ndtri(p).tolist(), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sharpe_moments([[0.1]]), "returns has the shape"),
        (lambda: sharpe_moments(["a"]), "cannot be read as numbers"),
        (lambda: psr_h0(SharpeMoments(0.1, 10, autocorrelation=1.0)), "autocorrelation is 1.0"),
        (lambda: critical_sharpe(SharpeMoments(0.1, 10), level=0.0), "level is 0.0"),
        (lambda: minimum_track_record_h0(SharpeMoments(0.1, 10), confidence=1.0), "confidence is 1.0"),
        (lambda: false_discovery_rate(0.0, 0.5, 0.5), "level, power is"),
        (lambda: false_discovery_rate(0.1, 0.5, 1.0), "prior is 1.0"),
    ],
)
def test_a_wrong_argument_is_named(call, message):
    with pytest.raises(StatisticsError, match=message):
        call()
