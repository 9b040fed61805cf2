from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strategy_optimizer.errors import DataError
from strategy_optimizer.market import (
    Bars,
    Garch,
    RandomWalk,
    Regimes,
    check_bars,
    load_bars,
    measure_edge,
    synthetic_market,
)

FLAT = Regimes(drifts=(0.0, 0.0))
MODELS = {"walk": RandomWalk(), "garch": Garch(), "normal garch": Garch(tails=None), "regimes": FLAT}
N = 100_000
ERROR = 1 / N**0.5  # standard error of a Sharpe ratio per bar


def log_returns(bars: Bars) -> Any:
    return np.diff(np.log(bars.close), axis=0)


@pytest.mark.parametrize("overnight", [0.0, 0.4])
@pytest.mark.parametrize("edge", [0.0, 0.04, 0.12, -0.08])
@pytest.mark.parametrize("model", MODELS)
def test_the_planted_edge_has_the_stated_size(model: str, edge: float, overnight: float) -> None:
    bars = synthetic_market(N, MODELS[model], edge=edge, overnight=overnight, bar="1h", start="1990", seed=17)
    assert float(measure_edge(bars)[0]) == pytest.approx(edge, abs=3 * ERROR)


def test_the_edge_survives_filling_at_the_next_open() -> None:
    bars = synthetic_market(N, edge=0.1, overnight=0.4, bar="1h", seed=3)
    close, opens = np.log(bars.close), np.log(bars.open)
    signal = np.sign(
        close[20:-2] - close[:-22]
    )  # known at the close of bar t, held from the open of t+1 to that of t+2
    returns = signal * (opens[22:] - opens[21:-1])
    assert returns.mean() / returns.std() == pytest.approx(0.1, abs=3 * ERROR)


def test_the_edge_is_at_its_own_lookback_only() -> None:
    bars = synthetic_market(N, edge=0.1, lookback=40, bar="1h", seed=5)
    assert measure_edge(bars, 40)[0] == pytest.approx(0.1, abs=3 * ERROR)
    assert measure_edge(bars, 4)[0] < 0.04


def test_every_symbol_has_its_edge() -> None:
    bars = synthetic_market(N, edge=0.06, n_symbols=3, correlation=0.7, bar="1h", seed=6)
    assert bars.close.shape == (N, 3)
    np.testing.assert_allclose(measure_edge(bars), 0.06, atol=3.5 * ERROR)


@pytest.mark.parametrize("model", MODELS)
def test_volatility_is_as_stated_with_and_without_edge(model: str) -> None:
    stated = np.sqrt(0.8 * 0.12**2 + 0.2 * 0.35**2) if model == "regimes" else 0.2
    for edge in (0.0, 0.1):
        bars = synthetic_market(N, MODELS[model], edge=edge, bar="1h", seed=8, overnight=0.3)
        measured = log_returns(bars).std() * bars.periods_per_year**0.5
        assert measured == pytest.approx(stated, rel=0.06)


def test_drift_is_as_stated() -> None:
    bars = synthetic_market(N, RandomWalk(volatility=0.01, drift=0.3), bar="1h", seed=8)
    assert log_returns(bars).mean() * bars.periods_per_year == pytest.approx(0.3, rel=0.05)


def test_volatility_clusters_with_garch_and_regimes_only() -> None:
    clustering = {}
    for name, model in MODELS.items():
        size = np.abs(log_returns(synthetic_market(N, model, bar="1h", seed=2)))
        clustering[name] = np.corrcoef(size[1:], size[:-1])[0, 1]
    assert abs(clustering["walk"]) < 4 * ERROR
    assert min(value for name, value in clustering.items() if name != "walk") > 0.08


def test_tails_are_fat_only_where_asked() -> None:
    def kurtosis(model: RandomWalk | Garch) -> float:
        returns = log_returns(synthetic_market(N, model, bar="1h", seed=4))
        return float(np.mean((returns - returns.mean()) ** 4) / returns.var() ** 2)

    assert kurtosis(RandomWalk()) == pytest.approx(3.0, abs=0.1)
    assert kurtosis(Garch(alpha=0.0, beta=0.0, tails=6.0)) > 4.5


def test_symbols_correlate_as_stated() -> None:
    returns = log_returns(synthetic_market(N, n_symbols=2, correlation=0.6, overnight=0.3, bar="1h", seed=9))
    assert np.corrcoef(returns.T)[0, 1] == pytest.approx(0.6, abs=0.01)


def test_ranges_are_those_of_a_brownian_path() -> None:
    """Parkinson (1980): E[log(high/low)^2] = 4 ln 2 x variance. J. Business 53(1)."""
    bars = synthetic_market(N, RandomWalk(), bar="1h", seed=10)
    ranges = np.log(bars.high / bars.low)
    # independent draws of maximum and minimum have their exact marginals; their product differs by little
    assert np.mean(ranges**2) / (4 * np.log(2)) == pytest.approx(log_returns(bars).var(), rel=0.03)
    assert np.mean(np.log(bars.high / bars.open)) == pytest.approx(
        log_returns(bars).std() * (2 / np.pi) ** 0.5, rel=0.01
    )


@pytest.mark.parametrize("model", [*MODELS.values(), Regimes()])
@pytest.mark.parametrize("overnight", [0.0, 0.5])
def test_bars_are_consistent_and_pass_the_checks(model: Any, overnight: float) -> None:
    bars = synthetic_market(3000, model, overnight=overnight, n_symbols=2, seed=1)
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.low > 0).all()
    assert (bars.volume > 0).all()
    assert (bars.open[1:] == bars.close[:-1]).all() == (overnight == 0)
    assert check_bars(bars).ok
    assert load_bars(bars) == bars


def test_seeds() -> None:
    assert synthetic_market(50, seed=1) == synthetic_market(50, seed=1)
    assert synthetic_market(50, seed=1) != synthetic_market(50, seed=2)
    rng = np.random.default_rng(1)
    first = synthetic_market(50, seed=rng)
    assert first == synthetic_market(50, seed=1)
    assert synthetic_market(50, seed=rng) != first


@pytest.mark.parametrize(("bar", "step"), [("1d", 86_400), ("5m", 300), ("2h", 7200), ("30s", 30)])
def test_bar_sizes(bar: str, step: int) -> None:
    assert synthetic_market(500, bar=bar).bar_size == step * 10**9


def test_regimes_last_as_stated() -> None:
    model = Regimes(volatilities=(0.01, 1.0), drifts=(0.0, 0.0), stay=(0.95, 0.9))
    size = np.abs(log_returns(synthetic_market(N, model, bar="1h", seed=12)))
    wild = size > 0.002  # three deviations of the calm regime
    assert wild.mean() == pytest.approx(1 / 3 * 0.83, abs=0.02)  # one third of the time, 83 % of it above


def test_one_regime_is_a_random_walk() -> None:
    bars = synthetic_market(20_000, Regimes((0.2,), (0.0,), (1.0,)), bar="1h")
    assert log_returns(bars).std() * bars.periods_per_year**0.5 == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_bars": 0}, "n_bars is 0"),
        ({"n_symbols": 0}, "n_symbols is 0"),
        ({"lookback": 0}, "lookback is 0"),
        ({"correlation": 1.0}, "correlation is 1.0"),
        ({"overnight": -0.1}, "overnight is -0.1"),
        ({"edge": float("nan")}, "edge nan cannot be planted"),
        ({"edge": 2.0, "overnight": 0.5}, "edge 2.0 cannot be planted"),
        ({"bar": "1 day"}, "'1 day' is no bar size"),
        ({"bar": "0m"}, "'0m' is no bar size"),
        ({"n_bars": 100_000}, "end after the year 2261"),
        ({"n_bars": 10_000_000, "bar": "1h"}, "end after the year 2261"),
        ({"model": RandomWalk(volatility=0.0)}, "volatility that is not positive"),
        ({"model": Garch(alpha=0.2, beta=0.8)}, r"alpha \+ beta < 1"),
        ({"model": Garch(tails=2.0)}, "tails > 2"),
        ({"model": Regimes(stay=(0.5,))}, "for each regime"),
        ({"model": Regimes(stay=(0.5, 1.0))}, "0 <= p < 1"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        synthetic_market(**({"n_bars": 100} | options))


def test_too_few_bars_to_measure() -> None:
    with pytest.raises(DataError, match="too few to measure"):
        measure_edge(synthetic_market(22), 20)
