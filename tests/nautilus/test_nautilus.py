"""NautilusTrader's BacktestEngine and BacktestNode through the adapter, for real."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version

import numpy as np
import pytest
from nautilus_market import BAR_TYPE, Market
from nautilus_strategies import Idle, Plan, PlanConfig, Raising
from nautilus_trader.backtest.config import (
    BacktestDataConfig,
    BacktestEngineConfig,
    BacktestRunConfig,
    BacktestVenueConfig,
)
from nautilus_trader.examples.strategies.ema_cross import EMACross
from nautilus_trader.model.data import Bar
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.trading.config import ImportableStrategyConfig

from strategy_optimizer import ParameterSpace, create_optimizer
from strategy_optimizer.engines import NautilusEngine, NautilusNodeEngine, NautilusStrategy
from strategy_optimizer.engines import nautilus as adapter
from strategy_optimizer.errors import EngineError

CASH = 1_000_000


def plan(market, strategy=Plan, **values):
    return strategy, PlanConfig(instrument_id=market.instrument.id, bar_type=market.bar_type, **values)


# -- the numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("account_type", [AccountType.MARGIN, AccountType.CASH])
@pytest.mark.parametrize("oms_type", [OmsType.NETTING, OmsType.HEDGING])
def test_equity_is_marked_at_each_close(market, account_type, oms_type):
    """By hand: a hundred shares from the close of bar 10 to the close of bar 20."""
    engine = market.engine(*plan(market), account_type=account_type, oms_type=oms_type)
    held = np.zeros(1200)
    held[11:21] = 100
    steps = np.diff(market.closes, prepend=market.closes[0])
    equity = CASH + np.cumsum(held * steps)
    run = engine.run({})
    assert run.returns == pytest.approx(equity[1:] / equity[:-1] - 1, abs=1e-9)
    assert run.metrics["total_return"] == pytest.approx(equity[-1] / CASH - 1)
    assert run.metrics["trades"] == 1
    assert run.metrics["exposure"] == pytest.approx(10 / 1200)


def test_a_short_gains_what_the_price_falls(market):
    run = market.engine(*plan(market, is_short=True)).run({})
    gain = -100 * (market.closes[20] - market.closes[10])
    assert run.metrics["total_return"] == pytest.approx(gain / CASH)


def test_commissions_are_in_equity_and_told(market):
    dear = Market(fee=0.001)
    free, charged = (m.engine(*plan(m)).run({}).metrics for m in (market, dear))
    expected = 0.001 * 100 * (market.closes[10] + market.closes[20])
    assert charged["commissions"] == pytest.approx(expected, abs=0.01)
    assert (free["total_return"] - charged["total_return"]) * CASH == pytest.approx(expected, abs=0.01)
    assert "costs_paid" not in charged  # slippage is in the prices


def test_an_open_position_counts_in_equity_and_not_in_the_win_rate(market):
    run = market.engine(*plan(market, sell_bar=99_999)).run({})
    gain = 100 * (market.closes[-1] - market.closes[10])
    assert run.metrics["total_return"] == pytest.approx(gain / CASH)
    assert run.metrics["trades"] == 1
    assert math.isnan(run.metrics["win_rate"])


def test_nautilus_own_statistics_stand_beside_ours(market):
    metrics = market.engine().run({}).metrics
    assert metrics["PnL (total)"] / CASH == pytest.approx(metrics["total_return"])
    assert metrics["Win Rate"] == pytest.approx(metrics["win_rate"])
    assert metrics["Sharpe Ratio (252 days)"] != pytest.approx(metrics["sharpe_ratio"], rel=0.5)


def test_the_interval_sets_the_returns(market):
    daily = market.engine()
    weekly = NautilusEngine(market.strategy(), interval=timedelta(days=7))
    runs = [engine.run({}) for engine in (daily, weekly)]
    assert len(runs[0].returns) == 1199
    assert 200 < len(runs[1].returns) < 260
    totals = [run.metrics["total_return"] for run in runs]
    assert totals[0] == pytest.approx(totals[1])


def test_parameters_reach_the_strategy_as_the_type_of_their_field(market):
    engine = market.engine()
    first, second = (engine.run(p).metrics for p in ({"trade_size": 100}, {"trade_size": 200.0}))
    assert second["PnL (total)"] == pytest.approx(2 * first["PnL (total)"])
    assert engine.run({"fast_ema_period": 5}).metrics["trades"] > first["trades"]


def test_runs_in_a_row_are_independent(market):
    engine = market.engine()
    first = engine.run({"fast_ema_period": 5})
    engine.run({"fast_ema_period": 20})
    again = engine.run({"fast_ema_period": 5})
    assert np.array_equal(first.returns, again.returns)
    assert first.metrics == pytest.approx(again.metrics, nan_ok=True)


def test_a_search_improves(market):
    space = ParameterSpace("ema")
    space.add_parameter("fast_ema_period", "discrete", (2, 40), 10)
    space.add_parameter("slow_ema_period", "discrete", (10, 120), 30)
    space.add_constraint("fast_ema_period < slow_ema_period")
    engine = market.engine()
    optimizer = create_optimizer("random", space, budget=12, seed=0)
    for _ in range(3):
        batch = optimizer.ask(4)
        optimizer.tell(batch, [engine.run(p).metrics["sharpe_ratio"] for p in batch])
    assert optimizer.best_score > engine.run(space.defaults()).metrics["sharpe_ratio"]


# -- what an engine is ---------------------------------------------------------------------------------------------


def test_a_pickled_engine_is_the_same(market):
    engine = market.engine()
    copy = pickle.loads(pickle.dumps(engine))
    assert np.array_equal(copy.run({}).returns, engine.run({}).returns)
    assert copy.digest() == engine.digest()


def test_the_digest_changes_with_data_configuration_and_strategy(market):
    base = market.engine()
    shorter = NautilusEngine(
        NautilusStrategy(
            EMACross,
            market.config(),
            venues=[market.venue()],
            instruments=[market.instrument],
            data=market.data[1:],
        )
    )
    digests = [
        base.digest(),
        shorter.digest(),
        market.engine(config=market.config(fast_ema_period=11)).digest(),
        market.engine(cash=2_000_000).digest(),
        market.engine(*plan(market)).digest(),
        NautilusEngine(market.strategy(), interval=timedelta(days=2)).digest(),
        base.divide(0.5)[0].digest(),
        base.divide(0.5)[1].digest(),
    ]
    assert len(set(digests)) == len(digests)


def test_the_data_are_divided_without_overlap(market):
    searched, held_out = market.engine(*plan(market)).divide(0.25)
    first, second = searched.run({}), held_out.run({})
    assert (len(first.returns), len(second.returns)) == (899, 299)
    gain = 100 * (market.closes[920] - market.closes[910])
    assert second.metrics["total_return"] == pytest.approx(gain / CASH)
    with pytest.raises(EngineError, match="is a part of its data already"):
        searched.divide(0.5)


def build_plan(parameters):
    market = Market()
    return market.strategy(*plan(market))(parameters)


def build_nothing(parameters):
    return None


def test_any_function_that_builds_an_engine(market):
    engine = NautilusEngine(build_plan)
    assert engine.label == "NautilusTrader: build_plan"
    expected = market.engine(*plan(market)).run({"sell_bar": 30})
    assert np.array_equal(engine.run({"sell_bar": 30}).returns, expected.returns)
    assert pickle.loads(pickle.dumps(engine)).digest() == engine.digest()
    bounded = NautilusEngine(build_plan, end="1999-12-31").run({})
    assert len(bounded.returns) < 252
    with pytest.raises(EngineError, match="build_nothing returned None; expected a BacktestEngine"):
        NautilusEngine(build_nothing).run({})


# -- BacktestNode --------------------------------------------------------------------------------------------------


def run_config(catalog, strategy="nautilus_strategies:Plan", config="nautilus_strategies:PlanConfig", **more):
    strategies = [
        ImportableStrategyConfig(
            strategy_path=strategy,
            config_path=config,
            config={"instrument_id": "QQQ.XNAS", "bar_type": BAR_TYPE},
        )
    ]
    return BacktestRunConfig(
        engine=BacktestEngineConfig(strategies=strategies),
        venues=[
            BacktestVenueConfig(
                name="XNAS",
                oms_type="NETTING",
                account_type="MARGIN",
                base_currency="USD",
                starting_balances=[f"{CASH} USD"],
            )
        ],
        data=[BacktestDataConfig(catalog_path=str(catalog), data_cls=Bar, bar_types=[BAR_TYPE])],
        **more,
    )


def test_a_node_gives_what_the_engine_gives(market, catalog):
    engine = NautilusNodeEngine(run_config(catalog))
    engine.check()
    assert engine.label == "NautilusTrader: Plan"
    expected = market.engine(*plan(market)).run({"sell_bar": 40})
    found = engine.run({"sell_bar": 40})
    assert np.array_equal(found.returns, expected.returns)
    assert found.metrics == pytest.approx(expected.metrics, nan_ok=True)


def test_a_node_in_chunks_gives_the_same_and_is_not_divided(catalog):
    chunked = NautilusNodeEngine(run_config(catalog, chunk_size=300))
    whole = NautilusNodeEngine(run_config(catalog))
    assert np.array_equal(chunked.run({}).returns, whole.run({}).returns)
    assert chunked.divide(0.25) == (chunked, None)
    searched, held_out = whole.divide(0.25)
    assert (len(searched.run({}).returns), len(held_out.run({}).returns)) == (899, 299)


def test_several_run_configurations_are_separate_accounts_of_one_portfolio(catalog):
    one = NautilusNodeEngine(run_config(catalog)).run({})
    two = NautilusNodeEngine([run_config(catalog), run_config(catalog, end="2002-01-01")]).run({})
    assert two.metrics["trades"] == 2
    assert two.metrics["total_return"] == pytest.approx(one.metrics["total_return"])


def test_a_node_engine_is_sent_and_has_a_digest(catalog):
    engine = NautilusNodeEngine(run_config(catalog))
    copy = pickle.loads(pickle.dumps(engine))
    assert copy.digest() == engine.digest()
    assert NautilusNodeEngine(run_config(catalog, end="2002-01-01")).digest() != engine.digest()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda c: NautilusNodeEngine([]), "configs is empty"),
        (lambda c: NautilusNodeEngine([1]), "expected a BacktestRunConfig"),
        (lambda c: NautilusNodeEngine(run_config(c, "nowhere:Plan")).check(), "nowhere:Plan cannot be found"),
        (lambda c: NautilusNodeEngine(run_config(c / "none")).check(), "has no data"),
        (lambda c: NautilusNodeEngine(run_config(c)).run({"sell": 3}), "Plan has no field 'sell'"),
        (
            lambda c: NautilusNodeEngine(run_config(c, "nautilus_strategies:Raising")).run({}),
            "strategy broke",
        ),
    ],
)
def test_what_goes_wrong_with_a_node(catalog, make, message):
    with pytest.raises((EngineError, RuntimeError), match=message):
        make(catalog)


# -- what goes wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"fast_ema_perod": 3}, EngineError, "no field 'fast_ema_perod'; did you mean 'fast_ema_period'"),
        ({"fast_ema_period": 2.5}, EngineError, "does not take fast_ema_period=2.5"),
        ({"fast_ema_period": 0}, EngineError, "does not take fast_ema_period=0"),
        ({"fast_ema_period": 50}, ValueError, "must be less than"),
    ],
)
def test_parameters_that_the_strategy_cannot_take(market, parameters, error, message):
    with pytest.raises(error, match=message):
        market.engine().run(parameters)


def test_a_strategy_that_raises_is_a_failed_trial_and_the_next_one_runs(market):
    with pytest.raises(RuntimeError, match="the strategy broke"):
        market.engine(*plan(market, Raising)).run({})
    assert market.engine(*plan(market)).run({}).metrics["trades"] == 1


def test_no_trades_are_counted_as_none(market):
    metrics = market.engine(*plan(market, Idle)).run({}).metrics
    assert (metrics["trades"], metrics["total_return"]) == (0, 0)
    assert math.isnan(metrics["sharpe_ratio"])


def test_orders_that_are_not_taken_are_counted(market):
    metrics = market.engine(*plan(market, quantity=100_000)).run({}).metrics
    assert metrics["trades"] == 0
    assert metrics["rejected_orders"] >= 1


def test_an_account_that_is_used_up_fails_the_trial(market):
    """A run without streaming only logs it, and returns what was earned until then."""
    dear = Market(fee=0.9)
    with pytest.raises(Exception, match=r"(?i)balance|negative"):
        dear.engine(*plan(dear), account_type=AccountType.CASH, cash=250_000).run({})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: NautilusEngine(None), "build is None"),
        (lambda m: NautilusEngine(EMACross), "build is <class"),
        (lambda m: NautilusEngine(build_plan, interval=1), "interval is 1"),
        (lambda m: m.strategy("EMACross"), "strategy is 'EMACross'"),
        (lambda m: m.engine(dict).check(), "dict is not a strategy"),
        (lambda m: m.engine(EMACross, {"fast": 3}).check(), "expected an instance of a StrategyConfig"),
        (
            lambda m: NautilusStrategy(EMACross, m.config(), venues=[], instruments=[1], data=[1]),
            "venues is empty",
        ),
        (
            lambda m: NautilusEngine(m.strategy(), currency="EUR").run({}),
            "no instrument has EUR; expected USD",
        ),
    ],
)
def test_bad_input_is_one_clear_error(market, make, message):
    with pytest.raises(EngineError, match=message):
        make(market)


def test_another_version_is_refused(monkeypatch):
    later = replace(adapter.NAUTILUS, at_least=(1, 300), below=(1, 301))
    monkeypatch.setattr(adapter, "NAUTILUS", later)
    with pytest.raises(
        EngineError, match=f"NautilusTrader {version('nautilus_trader')} is not supported; expected 1.300"
    ):
        NautilusEngine(build_plan).check()
