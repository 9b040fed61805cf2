"""What a caller gets wrong gets one clear error; what a strategy does wrong fails its trial."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from markets import random_bars
from strategy_optimizer import (
    CompiledStrategy,
    Continuous,
    Costs,
    Discrete,
    Rules,
    Signals,
    Strategy,
    evaluate_population,
    get_strategy,
    run_backtest,
    simulate_signals,
)
from strategy_optimizer.errors import BacktestError, SpaceError, StrategyError

BARS = random_bars(1, 60)
NEVER = np.zeros(60, dtype=bool)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entries": NEVER[:-1]}, r"entries has the shape \(59,\); expected \(60,\)"),
        ({"entries": BARS.close}, "entries has the type float64; expected booleans"),
        ({"exits": np.full(60, np.nan)}, "exits is NaN at bar 0"),
        ({"stop_loss": 0.0}, "stop_loss is not above 0"),
        ({"take_profit": "much"}, "take_profit"),
        ({"trailing_stop": np.where(BARS.close > BARS.close[5], 0.1, -0.1)}, "trailing_stop is not above 0"),
        ({"size": -1.0}, "size is negative"),
        ({"costs": 0.001}, r"costs is 0.001; expected Costs\("),
        ({"trailing_stop": np.ones(3)}, r"trailing_stop has the shape \(3,\)"),
        ({"fill": "now"}, "fill is 'now'; expected one of next_open, close"),
        ({"reentry": "never"}, "reentry is 'never'"),
        ({"cash": 0}, "cash is 0"),
        ({"window": (50, 50)}, "the window 50:50 is empty"),
        ({"window": (0, 61)}, "outside the 60 bars"),
        ({"n_blocks": 0}, "n_blocks is 0"),
        ({"engine": "fast"}, "engine is 'fast'"),
    ],
)
def test_simulate_signals(change, message):
    with pytest.raises(BacktestError, match=message):
        simulate_signals(BARS, **({"entries": NEVER, "exits": NEVER} | change))


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ({"commission": -0.1}, "commission is -0.1"),
        ({"slippage": 5}, "it is a fraction"),
        ({"borrow": float("nan")}, "borrow"),
    ],
)
def test_costs(costs, message):
    with pytest.raises(BacktestError, match=message):
        Costs(**costs)


def test_a_frame_is_loaded_first():
    index = pd.date_range("2020-01-01", periods=60, freq="D")
    columns = {
        "Open": BARS.open,
        "High": BARS.high,
        "Low": BARS.low,
        "Close": BARS.close,
        "Volume": BARS.volume,
    }
    result = simulate_signals(pd.DataFrame(columns, index=index), ~NEVER, NEVER)
    np.testing.assert_array_equal(result.equity, simulate_signals(BARS, ~NEVER, NEVER).equity)


def test_candidates_that_are_no_points_of_the_space():
    momentum = get_strategy("momentum")
    with pytest.raises(SpaceError, match="lookback_period"):
        evaluate_population(momentum, [{}, {"lookback_period": 5000}], BARS)
    with pytest.raises(SpaceError, match="did you mean 'threshold'"):
        evaluate_population(momentum, [{"treshold": 0.02}], BARS)
    with pytest.raises(SpaceError, match="fast < slow"):
        evaluate_population(get_strategy("ma_cross"), [{"fast": 50, "slow": 30}], BARS)
    with pytest.raises(BacktestError, match=r"expected \(n, 5\)"):
        evaluate_population(momentum, np.zeros((3, 4)), BARS)
    for candidates in ({"threshold": 0.02}, None, [0.02]):
        with pytest.raises(BacktestError, match="expected a list of dicts, or an array"):
            evaluate_population(momentum, candidates, BARS)


@pytest.mark.parametrize("value", [np.nan, 7.0, -1.0, 0.5])
def test_a_row_that_is_no_point_of_the_space(value):
    ma_cross = get_strategy("ma_cross")
    points = ma_cross.space().sample(4, 0)
    points[2, 0] = value  # a choice by its index
    with pytest.raises(SpaceError, match=f"row 2 of the candidates is no point of ma_cross: .'ma': {value}"):
        evaluate_population(ma_cross, points, BARS)


class Moody(Strategy):
    parameters = {"mood": Discrete(0, 4)}
    mood: int

    def signals(self, bars):
        if self.mood == 1:
            raise ZeroDivisionError("no luck")
        entries = {2: NEVER[:5], 3: bars.close * np.nan}.get(self.mood, ~NEVER)
        return Signals(entries, NEVER) if self.mood < 4 else None


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"signals": lambda self, bars: (NEVER, NEVER)}, r"signals\(\) returned a tuple; expected Signals\("),
        ({"signals": lambda self, bars: Signals(NEVER, NEVER, stop_loss=-0.1)}, "stop_loss is not above 0"),
        ({"warmup": lambda self, p: "long"}, r"warmup\(\) returned 'long'; expected a number of bars"),
        ({"warmup": lambda self, p: np.nan}, r"warmup\(\) returned nan"),
    ],
)
def test_what_a_vectorised_strategy_must_return(members, message):
    with pytest.raises(StrategyError, match=message):
        run_backtest(type("Wrong", (Moody,), members), {"mood": 0}, BARS)


def test_constraints_that_are_one_text():
    wrong = type("Wrong", (Moody,), {"constraints": "mood < 3"})
    with pytest.raises(SpaceError, match="constraints must be a list, found the text 'mood < 3'"):
        wrong.space()


def test_a_name_where_a_strategy_belongs():
    with pytest.raises(StrategyError, match=r"builtins.str is not a strategy; .* get_strategy\('momentum'\)"):
        evaluate_population("momentum", [{}], BARS)
    with pytest.raises(StrategyError, match="a NoneType is no strategy's name"):
        get_strategy(None)


def test_threads():
    with pytest.raises(BacktestError, match="threads is 0; expected at least 1"):
        evaluate_population(get_strategy("momentum"), [{}], BARS, threads=0)


def test_a_vectorised_strategy_that_fails_fails_its_trial_only():
    table = evaluate_population(Moody, [{"mood": mood} for mood in range(5)], BARS)
    assert sorted(table.errors) == [1, 2, 3, 4]
    assert "ZeroDivisionError: no luck (" in table.errors[1]
    assert "test_bad_input.py, line" in table.errors[1]
    assert "shape (5,)" in table.errors[2]
    assert "NaN at bar 0" in table.errors[3]
    assert np.isnan(table.values[1:]).all()
    assert table[0]["trades"] == 1
    with pytest.raises(StrategyError, match="no luck"):
        run_backtest(Moody, {"mood": 1}, BARS)


class Raises(CompiledStrategy):
    parameters = {"mood": Discrete(0, 60)}

    @staticmethod
    def signals(bars, p, out):
        if p.mood % 7 == 3:
            raise ValueError("a bad mood")
        out.entries[:] = True


def test_a_compiled_strategy_that_raises_fails_its_trial_only():
    table = evaluate_population(Raises, [{"mood": mood} for mood in range(60)], BARS)
    assert sorted(table.errors) == [mood for mood in range(60) if mood % 7 == 3]
    assert table.errors[3] == "ValueError: a bad mood"
    assert np.isnan(table["sharpe_ratio"][3])
    assert table[4]["trades"] == 1


class WrongOrders(CompiledStrategy):
    """Writes one order value that no order can have, at a bar that decides something or at another."""

    parameters = {"wrong": Discrete(0, 5, default=0)}
    per_bar = ("size", "stop_loss", "take_profit", "trailing_stop")

    @staticmethod
    def signals(bars, p, out):
        out.entries[3] = True
        out.size[:] = 1.0
        out.stop_loss[3] = 0.5  # NaN elsewhere: none
        if p.wrong == 1:
            out.size[50] = -0.1
        elif p.wrong == 2:
            out.stop_loss[50] = 0.0
        elif p.wrong == 3:
            out.take_profit[3] = -0.2
        elif p.wrong == 4:
            out.trailing_stop[3] = -0.0
        elif p.wrong == 5:
            out.size[50] = np.nan  # no order at all, which is no mistake


class WrongVectors(Strategy):
    """The same, vectorised."""

    parameters = WrongOrders.parameters

    def signals(self, bars):
        size, stop, target, trail = np.ones(60), *np.full((3, 60), np.nan)
        stop[3] = 0.5
        for number, values, bar, value in (
            (1, size, 50, -0.1),
            (2, stop, 50, 0.0),
            (3, target, 3, -0.2),
            (4, trail, 3, -0.0),
            (5, size, 50, np.nan),
        ):
            if self.wrong == number:
                values[bar] = value
        entries = np.arange(60) == 3
        return Signals(entries, NEVER, None, None, size, stop, target, trail)


def test_order_values_are_checked_alike_in_both_styles():
    candidates = [{"wrong": number} for number in range(6)]
    compiled = evaluate_population(WrongOrders, candidates, BARS)
    vectorised = evaluate_population(WrongVectors, candidates, BARS)
    assert sorted(compiled.errors) == sorted(vectorised.errors) == [1, 2, 3, 4]
    for number, name in enumerate(WrongOrders.per_bar, start=1):
        said = compiled.errors[number]
        assert said.startswith(f"WrongOrders: {name} is ")
        assert said.partition(": ")[2] == vectorised.errors[number].partition(": ")[2]
        with pytest.raises(StrategyError, match=f"WrongOrders: {name} is "):
            run_backtest(WrongOrders, {"wrong": number}, BARS)
    assert np.isnan(compiled.values[1:5]).all()
    np.testing.assert_array_equal(compiled.values, vectorised.values)
    assert compiled[0]["trades"] == compiled[5]["trades"] == 1


def test_a_level_from_a_parameter_is_checked_too():
    class Stops(CompiledStrategy):
        parameters = {"stop": Continuous(-0.1, 0.1, default=0.05)}
        orders = {"stop_loss": "stop"}

        @staticmethod
        def signals(bars, p, out):
            out.entries[3] = True

    table = evaluate_population(Stops, [{"stop": stop} for stop in (-0.1, 0.0, 0.1)], BARS)
    assert sorted(table.errors) == [0, 1]
    assert "stop_loss is not above 0" in table.errors[1]
    assert table[2]["trades"] == 1


def _writes_shorts(bars, p, out):
    out.short_entries[0] = True


def _writes_stops(bars, p, out):
    out.stop_loss[0] = 0.1


def _reads_an_unknown_parameter(bars, p, out):
    out.entries[0] = p.unknown > 1


def _counts_the_bars(bars, p, out):
    out.entries[bars.n_bars - 1] = True


def _writes_entry(bars, p, out):
    out.entry[0] = True


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_writes_shorts, "add short = True"),
        (_writes_stops, r"add per_bar = \('stop_loss',\)"),
        (_reads_an_unknown_parameter, r"there is no p\.unknown \(p has mood\)"),
        (_counts_the_bars, r"there is no bars\.n_bars .* the number of bars is bars\.close\.shape\[0\]"),
        (_writes_entry, r"there is no out\.entry; did you mean 'entries'"),
    ],
)
def test_a_compiled_strategy_that_cannot_be_compiled(function, message):
    strategy = type(
        "Wrong", (CompiledStrategy,), {"parameters": Raises.parameters, "signals": staticmethod(function)}
    )
    with pytest.raises(StrategyError, match=message):
        evaluate_population(strategy, [{}], BARS)


def test_a_compiled_warm_up_of_text():
    strategy = type("Wrong", (Raises,), {"warmup": staticmethod(lambda p: "long")})
    with pytest.raises(StrategyError, match=r"warmup\(\) cannot be compiled: .*Literal\[str\]\(long\)"):
        evaluate_population(strategy, [{}], BARS)


def test_a_warm_up_below_0_is_none():
    early = type("Early", (Raises,), {"warmup": staticmethod(lambda p: -3)})
    same = type("Same", (Moody,), {"warmup": lambda self, p: -3})
    for strategy in (early, same):
        assert run_backtest(strategy, {"mood": 0}, BARS).trades[0].entry_bar == 1


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"orders": {"stop": 0.1}}, "did you mean 'stop_loss'|no order value 'stop'"),
        ({"orders": {"size": "mod"}}, "did you mean 'mood'"),
        ({"orders": {"size": 1.0}, "per_bar": ("size",)}, "stands in both"),
    ],
)
def test_order_values_that_do_not_exist(members, message):
    strategy = type("Wrong", (Raises,), members)
    with pytest.raises(StrategyError, match=message):
        evaluate_population(strategy, [{}], BARS)


def test_rules_are_checked_when_they_are_made():
    with pytest.raises(BacktestError, match="expected one of next_open, close"):
        Rules(fill="later")
