"""The adapter of vectorbt: its numbers are ours by our definitions, and bad input is refused clearly."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import vectorbt as vbt
from comparing import momentum_cases, random_cases
from vectorbt_runs import make_portfolio, run_vectorbt

from strategy_optimizer import (
    Costs,
    Discrete,
    ParameterSpace,
    create_optimizer,
    load_bars,
    optimize,
    simulate_signals,
)
from strategy_optimizer.engines import VectorbtEngine
from strategy_optimizer.errors import DataError, EngineError

pytestmark = pytest.mark.filterwarnings("ignore")  # vectorbt warns of its own dependencies
POINT = {"fast": 10, "slow": 30}


def cross(data, parameters):
    price = data["Close"]
    fast = vbt.MA.run(price, parameters["fast"]).ma
    slow = vbt.MA.run(price, parameters["slow"]).ma
    return vbt.Portfolio.from_signals(price, fast > slow, fast < slow, fees=0.001, init_cash=10_000)


@pytest.mark.parametrize("name", ["sp500", "EURUSD", "GOOG"])
@pytest.mark.parametrize("costs", [Costs(), Costs(commission=0.0005, slippage=0.0002)])
def test_all_metrics_are_those_of_our_kernel_where_the_trades_are_the_same(markets, name, costs):
    bars = markets[name]
    settings = {"fees": costs.commission, "slippage": costs.slippage}
    for case in [*momentum_cases(bars, 3, 5), *random_cases(bars, 3, 6, stop_loss=(0.01, 0.1))]:
        engine = VectorbtEngine(lambda data, p, case=case: make_portfolio(bars, [case], **settings), None)
        run = engine.run({})
        waits = run_vectorbt(bars, [case], **settings)[0].bars_left_without_entry
        possible = case.without_entries(waits)
        flags = dict(zip(("entries", "exits", "short_entries", "short_exits"), possible.flags, strict=True))
        ours = simulate_signals(bars, **flags, **possible.orders, costs=costs, fill="close")
        for metric in set(ours.metrics) - {"costs_paid"}:
            expected = pytest.approx(ours.metrics[metric], rel=1e-7, abs=1e-9, nan_ok=True)
            assert run.metrics[metric] == expected, metric
        np.testing.assert_allclose(run.returns, ours.equity[1:] / ours.equity[:-1] - 1, atol=1e-9)
        fees = ours.metrics["costs_paid"]
        assert run.metrics["total_fees_paid"] == pytest.approx(fees) or costs.slippage
        assert run.metrics["trades"] > 10


def test_a_search_finds_better_than_the_defaults():
    engine = VectorbtEngine(cross, "nasdaq")
    engine.check()
    space = ParameterSpace("cross")
    space.add_parameter("fast", "discrete", (5, 60), 10)
    space.add_parameter("slow", "discrete", (10, 200), 30)
    space.add_constraint("fast < slow")
    search = create_optimizer("bo", space, budget=25, seed=1)
    for _ in range(25):
        batch = search.ask(1)
        search.tell(batch, [engine.run(point).metrics["sharpe_ratio"] for point in batch])
    assert search.best_score > engine.run(POINT).metrics["sharpe_ratio"]


@pytest.mark.parametrize("as_array", [False, True])
def test_prices_without_timestamps_are_said_before_the_search(as_array):
    prices = pd.Series(load_bars("nasdaq").close)
    engine = VectorbtEngine(
        lambda data, parameters: cross({"Close": pd.Series(data)}, parameters),
        prices.to_numpy() if as_array else prices,
        ParameterSpace("cross", {"fast": Discrete(5, 20, 10), "slow": Discrete(25, 60, 30)}),
    )
    settings = {"evaluations": 8, "executor": "serial", "cache": False, "validate": False}
    with pytest.raises(
        DataError, match=r"sharpe_ratio of vectorbt: .*the data have no timestamps.*index of dates"
    ):
        optimize(engine, **settings)
    assert optimize(engine, objective="total_return", **settings).counts.failed == 0


def test_assets_that_share_their_cash_are_one_account():
    bars = load_bars("nasdaq")
    index = pd.DatetimeIndex(bars.timestamp)
    prices = pd.DataFrame({"a": bars.close, "b": bars.close[::-1]}, index=index)

    def both(data, parameters, **settings):
        fast = data.rolling(parameters["fast"]).mean()
        return vbt.Portfolio.from_signals(
            data, data > fast, data < fast, init_cash=1000, size=0.01, **settings
        )

    shared = VectorbtEngine(lambda d, p: both(d, p, group_by=True, cash_sharing=True), prices).run(POINT)
    assert shared.metrics["trades"] > 100
    assert shared.metrics["total_return"] == pytest.approx(
        float(both(prices, POINT, group_by=True, cash_sharing=True).total_return())
    )
    with pytest.raises(EngineError, match="the portfolio has 2 columns; expected one backtest"):
        VectorbtEngine(both, prices).run(POINT)


def test_the_data_come_as_they_were_and_are_cut_for_the_holdout():
    bars = load_bars("nasdaq").slice(0, 400)
    index = pd.DatetimeIndex(bars.timestamp, tz="UTC").tz_convert("Asia/Tokyo")
    close = pd.Series(bars.close, index=index, name="Close")
    frame = close.to_frame().assign(Volume=bars.volume)
    seen = []

    def look(data, parameters):
        seen.append(data)
        return cross(data["frame"], {"fast": 5, "slow": 10})

    engine = VectorbtEngine(look, {"close": close, "frame": frame, "array": bars.close})
    searched, held_out = engine.divide(0.25)
    for part in (engine, searched, held_out):
        part.run({})
    whole, first, last = seen
    pd.testing.assert_series_equal(whole["close"], close, check_freq=False)
    pd.testing.assert_frame_equal(whole["frame"], frame, check_freq=False)
    pd.testing.assert_frame_equal(first["frame"], frame.iloc[:300], check_freq=False)
    pd.testing.assert_series_equal(last["close"], close.iloc[300:], check_freq=False)
    np.testing.assert_array_equal(last["array"], bars.close[300:])


def test_without_data_nothing_is_cut():
    engine = VectorbtEngine(cross, None)
    assert engine.divide(0.25) == (engine, None)


def test_a_copy_gives_the_same_and_the_digest_changes_with_code_and_data():
    engine = VectorbtEngine(cross, "nasdaq")
    copy = pickle.loads(pickle.dumps(engine))
    assert copy.run(POINT).metrics == engine.run(POINT).metrics

    def other(data, parameters):
        return cross(data, {**parameters, "fast": 3})

    engines = [engine, VectorbtEngine(other, "nasdaq"), VectorbtEngine(cross, "sp500")]
    assert len({e.digest() for e in engines}) == 3
    assert engine.digest() == copy.digest()
    assert engines[1].data_digest() == engine.data_digest() != engines[2].data_digest()
    assert VectorbtEngine(cross, None).data_digest() is None


def test_what_a_run_adds_to_its_frame_is_gone_in_the_next():
    def doubling(data, parameters):
        seen.append(
            (len(data["bars"].columns), float(data["bars"]["Close"].iloc[0]), float(data["close"].iloc[0]))
        )
        data["bars"]["Close"] *= 2
        data["bars"]["mean"] = 1.0
        data["close"].iloc[0] = 0.0
        return cross(frame, parameters)

    seen = []
    bars = load_bars("nasdaq")
    frame = pd.DataFrame({"Close": bars.close}, index=pd.DatetimeIndex(bars.timestamp.view("M8[ns]")))
    engine = VectorbtEngine(doubling, {"bars": "nasdaq", "close": frame["Close"]})
    assert engine.run(POINT).metrics == engine.run(POINT).metrics
    assert seen[0] == seen[1]


def test_space_and_label_are_given():
    space = ParameterSpace("s", {})
    engine = VectorbtEngine(cross, "nasdaq", space=space)
    assert engine.space() is space
    assert engine.label == "vectorbt: cross"


@pytest.mark.parametrize(
    ("make", "data", "message"),
    [
        ("cross", None, "make_portfolio is 'cross'"),
        (
            lambda p: p,
            None,
            r"\(p\) cannot be called with the data and one dict of parameters .*; expected make_po",
        ),
        (cross, 3, "the data are of the type builtins.int"),
        (cross, {"a": np.zeros(3), "b": np.zeros(4)}, "different lengths"),
    ],
)
def test_bad_input(make, data, message):
    with pytest.raises(EngineError, match=message):
        VectorbtEngine(make, data)


def test_a_function_that_returns_something_else():
    with pytest.raises(EngineError, match=r"returned builtins.float; expected a vbt.Portfolio"):
        VectorbtEngine(lambda data, p: 1.0, None).run({})
