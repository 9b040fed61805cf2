"""Our metrics against quantstats and empyrical-reloaded on the same returns, and where those differ.

Both annualise with a fixed 252 unless told otherwise; here they are told the periods a year of the bars.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from comparing import momentum_cases

from strategy_optimizer.backtest import Costs, simulate_signals

pytestmark = pytest.mark.filterwarnings("ignore")
NAMES = ("sp500", "EURUSD", "GOOG")


@dataclass(frozen=True)
class Run:
    """Our metrics, the returns that they are of, and the periods a year."""

    metrics: dict[str, float]
    returns: object
    periods: float


@pytest.fixture(scope="module", params=NAMES)
def run(request, markets):
    return run_of(markets[request.param], seed=20)


def run_of(bars, seed):
    import pandas as pd

    case = momentum_cases(bars, 1, seed, stop_loss=(0.01, 0.05))[0]
    result = simulate_signals(
        bars, case.entries, case.exits, stop_loss=case.stop_loss, costs=Costs(0.0002, slippage=0.0001)
    )
    returns = pd.Series(result.equity).pct_change().iloc[1:]
    returns.index = pd.DatetimeIndex(bars.timestamp[1:])
    return Run(result.metrics, returns, bars.periods_per_year)


def test_empyrical_agrees(run):
    import empyrical

    r, year = run.returns, {"annualization": run.periods}
    expected = {
        "total_return": empyrical.cum_returns_final(r),
        "annual_return": empyrical.annual_return(r, **year),
        "volatility": empyrical.annual_volatility(r, **year),
        "sharpe_ratio": empyrical.sharpe_ratio(r, **year),
        "sortino_ratio": empyrical.sortino_ratio(r, **year),
        "calmar_ratio": empyrical.calmar_ratio(r, **year),
        "max_drawdown": -empyrical.max_drawdown(r),
    }
    for name, value in expected.items():
        assert run.metrics[name] == pytest.approx(value, rel=1e-9), name


def test_quantstats_agrees(run):
    from quantstats import stats

    r, year = run.returns, {"periods": run.periods}
    expected = {
        "total_return": stats.comp(r),
        "annual_return": stats.cagr(r, **year),
        "volatility": stats.volatility(r, **year),
        "sharpe_ratio": stats.sharpe(r, **year),
        "sortino_ratio": stats.sortino(r, **year),
        "calmar_ratio": stats.calmar(r, **year),
        "max_drawdown": -stats.max_drawdown(r),
    }
    for name, value in expected.items():
        assert run.metrics[name] == pytest.approx(value, rel=1e-9), name


def test_moments_are_scipys_of_the_population_and_quantstats_corrects_for_the_sample(run):
    from quantstats import stats
    from scipy.stats import kurtosis, skew

    r = run.returns
    assert run.metrics["skew"] == pytest.approx(skew(r), rel=1e-8)
    assert run.metrics["kurtosis"] == pytest.approx(kurtosis(r, fisher=False), rel=1e-8)
    assert stats.skew(r) == pytest.approx(skew(r, bias=False), rel=1e-8)
    assert stats.kurtosis(r) == pytest.approx(kurtosis(r, bias=False), rel=1e-8)  # excess: normal = 0


def test_quantstats_no_longer_subtracts_three_twice(run):
    """Its probabilistic Sharpe ratio once used the excess kurtosis where the formula has the plain one."""
    from quantstats import stats
    from scipy.stats import norm

    r = run.returns
    sharpe, n = r.mean() / r.std(), len(r)
    error = np.sqrt((1 - r.skew() * sharpe + (r.kurtosis() + 3 - 1) / 4 * sharpe**2) / (n - 1))
    assert stats.probabilistic_sharpe_ratio(r) == pytest.approx(norm.cdf(sharpe / error), rel=1e-9)


def test_the_fixed_252_is_wrong_by_a_factor_on_hourly_bars(markets):
    import empyrical
    from quantstats import stats

    run = run_of(markets["EURUSD"], seed=20)
    factor = np.sqrt(run.periods / 252)
    assert factor > 4.9
    assert run.metrics["sharpe_ratio"] == pytest.approx(stats.sharpe(run.returns) * factor, rel=1e-9)
    assert run.metrics["sharpe_ratio"] == pytest.approx(
        empyrical.sharpe_ratio(run.returns) * factor, rel=1e-9
    )


def test_quantstats_win_rate_profit_factor_and_exposure_are_those_of_days_not_trades(run):
    from quantstats import stats

    r = run.returns
    assert stats.win_rate(r) == pytest.approx((r > 0).sum() / (r != 0).sum())
    assert stats.profit_factor(r) == pytest.approx(r[r > 0].sum() / -r[r < 0].sum())
    assert stats.exposure(r) == np.ceil((r != 0).mean() * 100) / 100
    assert abs(run.metrics["win_rate"] - stats.win_rate(r)) > 0.02
    assert abs(run.metrics["profit_factor"] - stats.profit_factor(r)) > 0.02


def test_quantstats_takes_returns_without_a_loss_for_prices():
    """It guesses what it was given: nothing negative and one value above 1 are prices to it."""
    import pandas as pd
    from quantstats import stats

    returns = pd.Series([0.5, 1.5, 0.5, 0.25], index=pd.date_range("2020-01-01", periods=4))
    assert (1 + returns).prod() - 1 == pytest.approx(6.03125)
    assert stats.comp(returns) == pytest.approx(6.03125)
    changes = returns.pct_change()
    assert stats.volatility(returns, periods=1) == pytest.approx(changes.std())
    assert stats.volatility(returns, periods=1) != pytest.approx(returns.std())


def test_a_step_from_cash_to_the_first_close_counts_in_the_total_alone(markets):
    """An entry at the close of the first bar pays its costs before the first of the n - 1 returns."""
    import empyrical
    import pandas as pd

    bars = markets["GOOG"].slice(0, 50)
    first = np.arange(50) == 0
    result = simulate_signals(bars, first, ~first & False, costs=Costs(commission=0.01), fill="close")
    returns = pd.Series(result.equity).pct_change().iloc[1:]
    grown = (1 + result.metrics["total_return"]) / (result.equity[0] / 100_000.0)
    assert empyrical.cum_returns_final(returns) == pytest.approx(grown - 1)
    assert result.equity[0] == pytest.approx(100_000.0 / 1.01)
