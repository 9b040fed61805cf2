"""The adapter of backtesting.py: its numbers are ours by our definitions, and bad input is refused clearly."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import backtesting
import numpy as np
import pandas as pd
import pytest
from backtesting_runs import CASH, mirror_of, representable
from comparing import momentum_cases, random_cases
from sma_cross import SmaCross

from strategy_optimizer import (
    Costs,
    ParameterSpace,
    create_optimizer,
    load_bars,
    optimize,
    simulate_signals,
)
from strategy_optimizer.engines import BacktestingEngine
from strategy_optimizer.errors import DataError, EngineError

POINT = {"n1": 10, "n2": 20}
# Ours of a whole run, by definition; theirs trades whole shares of a very large account.
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def goog():
    folder = Path(backtesting.__file__).parent / "test"
    return pd.read_csv(folder / "GOOG.csv", index_col=0, parse_dates=True)


def engine_of(goog, strategy=SmaCross, **settings):
    return BacktestingEngine(strategy, goog, **({"commission": 0.002} | settings))


def theirs(data, **settings):
    """Return what backtesting.py says by itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return backtesting.Backtest(data, SmaCross, **settings).run(**POINT)


def assert_equal_metrics(found, expected, but=()):
    for name in set(expected) - set(but):
        assert found[name] == pytest.approx(expected[name], rel=TOLERANCE, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("name", ["sp500", "EURUSD", "GOOG"])
@pytest.mark.parametrize("commission", [0.0, 0.001])
def test_all_metrics_are_those_of_our_kernel_where_the_trades_are_the_same(markets, name, commission):
    bars = markets[name]
    levels = {"stop_loss": (0.01, 0.1), "size": (0.2, 0.9)}
    for case in [*momentum_cases(bars, 3, 5), *random_cases(bars, 3, 6, **levels)]:
        possible = representable(bars, case)
        flags = dict(zip(("entries", "exits", "short_entries", "short_exits"), possible.flags, strict=True))
        ours = simulate_signals(
            bars, **flags, **possible.orders, costs=Costs(commission=commission), cash=CASH
        )
        engine = BacktestingEngine(
            mirror_of(bars, possible, commission),
            bars,
            cash=CASH,
            commission=commission,
            exclusive_orders=True,
        )
        run = engine.run({})
        assert_equal_metrics(run.metrics, ours.metrics)
        np.testing.assert_allclose(run.returns, ours.equity[1:] / ours.equity[:-1] - 1, atol=1e-7)
        assert run.metrics["trades"] > 10


def test_its_own_numbers_stand_under_its_own_names(goog):
    stats = theirs(goog, commission=0.002)
    metrics = engine_of(goog).run(POINT).metrics
    for name in ("Sharpe Ratio", "SQN", "# Trades", "Profit Factor", "Return [%]"):
        assert metrics[name] == pytest.approx(float(stats[name])), name
    assert metrics["Sharpe Ratio"] != pytest.approx(metrics["sharpe_ratio"], rel=0.05)
    assert metrics["total_return"] == pytest.approx(metrics["Return [%]"] / 100)
    assert not [name for name in metrics if name.startswith("_")]


def test_what_is_open_at_the_end_counts_as_in_our_engine(goog):
    metrics = engine_of(goog).run(POINT).metrics
    assert metrics["trades"] == metrics["# Trades"] + 1
    finished = engine_of(goog, finalize_trades=True).run(POINT).metrics
    assert finished["trades"] == finished["# Trades"] == metrics["trades"]
    assert finished["costs_paid"] > metrics["costs_paid"] > metrics["Commissions [$]"]


@pytest.mark.parametrize("commission", [0.002, (1.0, 0.001), lambda size, price: abs(size) * price * 0.002])
def test_costs_paid_are_what_the_account_lost(goog, commission):
    """Profit before costs, less the costs, is the final equity."""
    settings = {"commission": commission, "spread": 0.001, "trade_on_close": True}
    run = engine_of(goog, **settings).run(POINT)
    stats = theirs(goog, **settings)
    closed, open_ = stats["_trades"], stats["_strategy"].trades
    gross = sum(_before_costs(t.Size, t.EntryPrice, t.ExitPrice) for t in closed.itertuples())
    gross += sum(_before_costs(t.size, t.entry_price, goog["Close"].iloc[-1]) for t in open_)
    lost = 10_000 + gross - stats["Equity Final [$]"]
    assert run.metrics["costs_paid"] == pytest.approx(lost, rel=1e-9)


def _before_costs(size, entry, exit_):
    return size * (exit_ - entry / (1 + np.copysign(0.001, size)))


def test_a_strategy_that_never_trades(goog):
    class Waits(SmaCross):
        def next(self):
            pass

    run = engine_of(goog, Waits).run(POINT)
    assert (run.metrics["trades"], run.metrics["costs_paid"], run.metrics["total_return"]) == (0.0, 0.0, 0.0)
    assert np.isnan(run.metrics["win_rate"])
    assert not run.returns.any()


def test_an_account_that_is_lost(goog):
    class Shorts(SmaCross):
        def next(self):
            if not self.position:
                self.sell()

    run = engine_of(goog, Shorts, margin=0.2).run(POINT)
    assert run.metrics["total_return"] == run.metrics["annual_return"] == -1.0
    assert run.metrics["max_drawdown"] == 1.0
    lost = np.flatnonzero(run.returns == -1.0)
    assert len(lost) == 1
    assert not run.returns[lost[0] + 1 :].any()


def test_the_same_run_in_a_copy_that_was_sent_to_a_worker(goog):
    engine = engine_of(goog)
    first = engine.run(POINT)
    copy = pickle.loads(pickle.dumps(engine))
    assert copy.run(POINT).metrics == first.metrics
    assert copy.digest() == engine.digest()
    assert len(pickle.dumps(engine)) < 2 * goog.to_numpy().nbytes


def test_the_digest_changes_with_code_data_and_settings(goog):
    class Other(SmaCross):
        def next(self):
            if self.fast[-1] > self.slow[-1]:
                self.buy()

    engines = [
        engine_of(goog),
        engine_of(goog, Other),
        engine_of(goog, commission=0.001),
        engine_of(goog.iloc[:-1]),
        engine_of(goog.assign(Close=goog["Close"] + 0.01)),
    ]
    assert len({engine.digest() for engine in engines}) == len(engines)
    assert engine_of(goog).digest() == engine_of(goog.copy()).digest()
    assert [engine.data_digest() == engines[0].data_digest() for engine in engines] == [True] * 3 + [
        False
    ] * 2


def test_a_search_ends_in_a_verdict_and_other_code_on_the_frame_counts(goog):
    def search(engine, **settings):
        space = {
            "n1": {"type": "discrete", "bounds": [5, 30]},
            "n2": {"type": "discrete", "bounds": [31, 90]},
        }
        options = {"space": space, "evaluations": 15, "executor": "serial", "cache": False, "seed": 1}
        return optimize(engine, **options | settings)

    class Patient(SmaCross):
        pass

    first = search(engine_of(goog))
    assert first.verdict.decision in ("deploy", "paper", "reject")
    assert first.validation.held_out.n_bars == round(len(goog) * 0.25)
    assert first.validation.held_out.trades > 0
    second = search(engine_of(goog, Patient), holdout=0.3)
    assert second.validation.overfitting.all_tasks.searches == 1
    assert second.validation.held_out.looks == 2


def test_the_frame_is_cut_for_the_holdout(goog):
    searched, held_out = engine_of(goog).divide(0.25)
    n = round(len(goog) * 0.75)
    expected = theirs(goog.iloc[n:], commission=0.002)
    assert held_out.run(POINT).metrics["Return [%]"] == pytest.approx(expected["Return [%]"])
    assert len(searched.run(POINT).returns) + len(held_out.run(POINT).returns) == len(goog) - 2
    engine = engine_of(goog)
    assert engine.divide(0.0) == (engine, None)
    for wrong in (1.0, -0.1, "a", True):
        with pytest.raises(EngineError, match="holdout"):
            engine_of(goog).divide(wrong)
    with pytest.raises(DataError, match="at least 2"):
        engine_of(goog.iloc[:5]).divide(0.1)


def test_time_zones_survive(goog):
    zoned = goog.copy()
    zoned.index = zoned.index.tz_localize("America/New_York")
    assert engine_of(zoned).run(POINT).metrics["trades"] == engine_of(goog).run(POINT).metrics["trades"]
    pd.testing.assert_frame_equal(engine_of(zoned)._frame.to_pandas(), zoned, check_freq=False)


def test_nothing_is_said_and_the_users_own_warnings_are(goog, capfd):
    class Warns(SmaCross):
        def init(self):
            warnings.warn("look here", stacklevel=1)
            super().init()

    # Whole shares of a small account: orders are cancelled, trades are left open.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine_of(goog, cash=500).run(POINT)
    assert capfd.readouterr() == ("", "")
    with pytest.warns(UserWarning, match="look here"):
        engine_of(goog, Warns).run(POINT)


def test_a_search_finds_better_than_the_defaults(goog):
    engine = engine_of(goog)
    engine.check()
    space = ParameterSpace("sma")
    space.add_parameter("n1", "discrete", (5, 60), 10)
    space.add_parameter("n2", "discrete", (10, 120), 20)
    space.add_constraint("n1 < n2")
    search = create_optimizer("bo", space, budget=25, seed=1)
    for _ in range(25):
        batch = search.ask(1)
        search.tell(batch, [engine.run(point).metrics["sharpe_ratio"] for point in batch])
    assert search.best_score > engine.run(POINT).metrics["sharpe_ratio"]


# Bad input.


def test_bounds_are_asked_for(goog):
    with pytest.raises(
        EngineError, match=r"declares n1=10, n2=20 without bounds; give space=\{'n1': \(5, 20\)"
    ):
        engine_of(goog).space()


def test_a_strategy_of_switches_has_a_space_of_its_own(goog):
    class Switch(SmaCross):
        n1 = None
        n2 = None
        only_long = True

    space = engine_of(goog, Switch).space()
    assert space.names == ("only_long",)
    assert space.defaults() == {"only_long": True}


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("SmaCross", "expected a class, a subclass of backtesting.Strategy"),
        (backtesting.Strategy, "Strategy does not define init, next"),
    ],
)
def test_what_is_no_strategy_class(goog, strategy, message):
    with pytest.raises(EngineError, match=message):
        BacktestingEngine(strategy, goog)


def test_a_class_of_something_else_is_found_by_check(goog):
    with pytest.raises(EngineError, match=r"dict is not a strategy of backtesting.py"):
        BacktestingEngine(dict, goog).check()


def test_an_unknown_setting(goog):
    with pytest.raises(EngineError, match="no setting 'comission'; did you mean 'commission'"):
        engine_of(goog, comission=0.1)


def test_settings_that_it_refuses_are_found_by_check(goog):
    with pytest.raises(EngineError, match=r"backtesting.py refuses its settings"):
        engine_of(goog, commission="dear").check()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cash": "a lot"}, "cash is 'a lot'; expected a number above 0"),
        ({"cash": -5}, "cash is -5; expected a number above 0"),
        ({"margin": 0}, "margin is 0; expected a number above 0 and up to 1"),
        ({"margin": 2.0}, "margin is 2.0; expected"),
        ({"spread": "wide"}, "spread is 'wide'; expected a number from 0"),
        ({"spread": True}, "spread is True; expected"),
    ],
)
def test_a_setting_that_is_no_number(goog, settings, message):
    with pytest.raises(EngineError, match=message):
        engine_of(goog, **settings)


def test_an_unknown_parameter(goog):
    with pytest.raises(
        EngineError, match=r"SmaCross has no parameter 'n_1'; did you mean 'n1'\? \(it has n1, n2\)"
    ):
        engine_of(goog).run({"n_1": 1})


def test_data_without_a_column(goog):
    with pytest.raises(EngineError, match="no column 'Low'; expected Open, High, Low, Close"):
        engine_of(goog.drop(columns="Low"))


def test_data_whose_columns_are_written_in_small_letters(goog):
    with pytest.raises(EngineError, match=r"no column 'Open'; .*; write data.rename\(columns=str.title\)"):
        engine_of(goog.rename(columns=str.lower))


def test_bars_that_are_only_counted(goog):
    counted = goog.reset_index(drop=True)
    for engine, frame in ((engine_of(counted), counted), (engine_of(counted).divide(0.25)[1], None)):
        engine.check()
        metrics = engine.run(POINT).metrics
        assert np.isnan(metrics["sharpe_ratio"])
        assert np.isfinite(metrics["total_return"])
        if frame is not None:
            expected = theirs(frame, commission=0.002)
            assert metrics["Return [%]"] == pytest.approx(float(expected["Return [%]"]))
    space = {"n1": {"type": "discrete", "bounds": [5, 20]}, "n2": {"type": "discrete", "bounds": [25, 60]}}
    with pytest.raises(
        DataError, match=r"sharpe_ratio of backtesting.py: SmaCross cannot be known: the data have no"
    ):
        optimize(engine_of(counted), space=space, evaluations=8, executor="serial", cache=False)


@pytest.mark.parametrize("as_text", [True, False])
def test_an_index_that_holds_no_moments(goog, as_text):
    index = goog.index.astype(str) if as_text else 3 * np.arange(len(goog))
    with pytest.raises(
        EngineError, match=r"the index .* holds .*; expected moments: data.index = pd.to_datetime"
    ):
        engine_of(goog.set_axis(index))


def test_data_with_holes(goog):
    holed = goog.copy()
    holed.iloc[6, 3] = np.nan
    with pytest.raises(EngineError, match="the column Close has nan in row 7"):
        engine_of(holed)


def test_data_out_of_order(goog):
    with pytest.raises(EngineError, match="does not rise; sort it"):
        engine_of(goog.iloc[::-1])


@pytest.mark.parametrize("data", [None, [1, 2], {"Open": [1.0]}])
def test_data_of_another_kind(data):
    with pytest.raises(EngineError, match="expected a pandas frame, bars"):
        BacktestingEngine(SmaCross, data)


def test_an_account_that_cannot_buy_a_share(goog):
    with pytest.raises(EngineError, match=r"no order can ever fill.*lowest price is 100.01 and cash is 20"):
        engine_of(goog, cash=20).check()


def test_a_strategy_that_raises_says_why(goog):
    class Breaks(SmaCross):
        def next(self):
            raise ZeroDivisionError("nothing to divide by")

    with pytest.raises(ZeroDivisionError, match="nothing to divide by"):
        engine_of(goog, Breaks).run(POINT)


def test_sample_bars_do_too():
    assert BacktestingEngine(SmaCross, "nasdaq", cash=1e6).run(POINT).metrics["trades"] > 50
    assert BacktestingEngine(SmaCross, load_bars("nasdaq"), cash=1e6).run(POINT).metrics["trades"] > 50


def test_the_adapter_is_imported_without_backtesting_py():
    script = (
        "import sys; from strategy_optimizer.engines import BacktestingEngine, VectorbtEngine, HttpEngine;"
        "print([m for m in ('backtesting', 'vectorbt', 'pandas', 'httpx2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_table_of_the_page_is_what_comes_out(goog):
    page = (Path(__file__).parents[3] / "docs" / "engines" / "backtesting-py.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d.,]+) \| `([^`]+)` \| ([-\d.,]+) \|", page, flags=re.MULTILINE)
    assert len(rows) == 7
    metrics = engine_of(goog).run(POINT).metrics
    for ours, our_value, own, own_value in rows:
        for name, shown in ((ours, our_value), (own, own_value)):
            digits = len(shown.partition(".")[2])
            assert f"{metrics[name]:,.{digits}f}" == shown, name
