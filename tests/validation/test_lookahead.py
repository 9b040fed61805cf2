"""Strategies that look ahead in each known way, and those that do not."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numba import njit

from strategy_optimizer.backtest import CompiledStrategy, Signals, Strategy, VolatilityTarget
from strategy_optimizer.errors import BacktestError, DataError, LookaheadError, StrategyError
from strategy_optimizer.market import Bars, load_bars
from strategy_optimizer.space import Discrete
from strategy_optimizer.strategies import get_strategy, list_strategies
from strategy_optimizer.strategies.momentum import VectorisedMomentum
from strategy_optimizer.validation import LookaheadReport, check_lookahead

DAY = 86_400 * 10**9


def random_bars(n: int = 400, symbols: int = 1, seed: int = 1) -> Bars:
    rng = np.random.default_rng(seed)
    shape = (n,) if symbols == 1 else (n, symbols)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, shape), axis=0))
    opens = close * np.exp(rng.normal(0, 0.005, shape))
    high, low = np.maximum(opens, close) * 1.01, np.minimum(opens, close) * 0.99
    names = tuple("ABCDE"[:symbols])
    return Bars(opens, high, low, close, rng.uniform(1, 2, shape), np.arange(n) * DAY, names)


BARS = random_bars()


class Vectorised(Strategy):
    parameters = {"days": Discrete(2, 50, default=10)}
    days: int

    def warmup(self, p: Any) -> int:
        return int(p.days)


def rolling_mean(x: np.ndarray, n: int) -> np.ndarray:
    out = np.full(x.size, np.nan)
    out[n - 1 :] = np.lib.stride_tricks.sliding_window_view(x, n).mean(axis=1)
    return out


class Clean(Vectorised):
    def signals(self, bars: Bars) -> Signals:
        mean = rolling_mean(bars.close, self.days)
        return Signals(bars.close > mean, bars.close < mean, stop_loss=np.full(bars.n_bars, 0.05))


class CentredWindow(Vectorised):
    def signals(self, bars: Bars) -> Signals:
        mean = np.roll(rolling_mean(bars.close, self.days), -(self.days // 2))
        return Signals(bars.close > mean, bars.close < mean)


class ShiftedBack(Vectorised):
    def signals(self, bars: Bars) -> Signals:
        following = np.append(bars.close[1:], np.nan)
        return Signals(following > bars.close, following < bars.close)


class FullSampleMean(Vectorised):
    def signals(self, bars: Bars) -> Signals:
        score = (bars.close - bars.close.mean()) / bars.close.std()
        return Signals(score < -0.5, score > 0.5)


class FutureMaximum(Vectorised):
    def signals(self, bars: Bars) -> Signals:
        peak = bars.high.max()
        return Signals(bars.close < 0.9 * peak, bars.high == peak)


class LengthOnly(Vectorised):
    """Looks at how many bars there are, which the perturbed run cannot see."""

    def signals(self, bars: Bars) -> Signals:
        entries = np.zeros(bars.n_bars, bool)
        entries[bars.n_bars // 2] = True
        return Signals(entries, ~entries)


class FutureStop(Vectorised):
    def signals(self, bars: Bars) -> Signals:
        mean = rolling_mean(bars.close, self.days)
        stop = np.append(np.abs(np.diff(bars.close)) / bars.close[:-1], np.nan) + 0.001
        return Signals(bars.close > mean, bars.close < mean, stop_loss=stop)


class FullSampleStop(Vectorised):
    def signals(self, bars: Bars) -> Signals:
        mean = rolling_mean(bars.close, self.days)
        return Signals(
            bars.close > mean, bars.close < mean, stop_loss=float(np.diff(np.log(bars.close)).std())
        )


class WrapsAround(Vectorised):
    """``close[t - 1]`` at bar 0 is the last close."""

    def warmup(self, p: Any) -> int:
        return 0

    def signals(self, bars: Bars) -> Signals:
        rise = bars.close > np.roll(bars.close, 1)
        return Signals(rise, ~rise)


@njit
def next_is_higher(close: np.ndarray) -> np.ndarray:
    out = np.zeros(close.size, np.bool_)
    for t in range(close.size):
        out[t] = close[t + 1] > close[t]
    return out


class CompiledHelper(Vectorised):
    """Reads one bar too far in a compiled helper, where nothing checks the index."""

    def signals(self, bars: Bars) -> Signals:
        higher = next_is_higher(bars.close)
        return Signals(higher, ~higher)


@pytest.mark.parametrize(
    ("strategy", "array", "bar", "needs"),
    [
        (CentredWindow, "entries", None, None),
        (ShiftedBack, "entries", None, 1),
        (FullSampleMean, "entries", None, None),
        (FutureMaximum, "exits", None, None),
        (LengthOnly, "entries", None, None),
        (FutureStop, "stop_loss", None, 1),
        (FullSampleStop, "stop_loss", 10, None),
        (WrapsAround, "entries", 0, None),
        (CompiledHelper, "entries", None, 1),
    ],
)
def test_finds(strategy: type[Strategy], array: str, bar: int | None, needs: int | None) -> None:
    report = check_lookahead(strategy, {}, BARS)
    found = [d for d in report.differences if d.array == array and d.test == "truncation"]
    assert report.found
    assert not report.ok
    assert found, str(report)
    assert bar is None or found[0].bar == bar
    assert needs is None or found[0].needs == needs


@pytest.mark.parametrize("strategy", [CentredWindow, ShiftedBack, FullSampleMean, FutureMaximum, FutureStop])
def test_perturbation_finds_it_without_truncation(strategy: type[Strategy]) -> None:
    report = check_lookahead(strategy, {}, BARS)
    assert "perturbation" in {d.test for d in report.differences}


def test_the_first_differing_bar_is_the_first() -> None:
    report = check_lookahead(ShiftedBack, {}, BARS, cuts=range(11, 400))
    first = next(d for d in report.differences if d.array == "entries" and d.test == "truncation")
    rises = np.flatnonzero(np.diff(BARS.close) > 0)
    assert first.bar == rises[rises >= 10][0]
    assert first.cut == first.bar + 1
    assert f"entries at bar {first.bar}" in str(first)
    assert "it needs 1 later bar" in str(first)


def test_clean_strategies_pass() -> None:
    report = check_lookahead(Clean, {}, BARS)
    assert report.ok, str(report)
    assert report.n_events > 10
    assert len(report.cuts) > 30
    report.raise_if_found()


def test_raise_if_found_names_bar_and_array() -> None:
    report = check_lookahead(ShiftedBack, {}, BARS)
    with pytest.raises(LookaheadError, match=r"ShiftedBack: .* at bar") as caught:
        report.raise_if_found()
    assert caught.value.bar == report.differences[0].bar
    assert caught.value.column == report.differences[0].array


# --- compiled strategies -----------------------------------------------------------------------------------


class Compiled(CompiledStrategy):
    parameters = {"days": Discrete(2, 50, default=10)}

    @staticmethod
    def warmup(p: Any) -> int:
        return int(p.days)


class ReadsTooFar(Compiled):
    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        for t in range(p.days, bars.close.size):
            out.entries[t] = bars.close[t + 1] > bars.close[t]


class StopsInTime(Compiled):
    """Reads the next bar but never one that does not exist."""

    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        for t in range(p.days, bars.close.size - 1):
            out.entries[t] = bars.close[t + 1] > bars.close[t]


@njit
def last_of(values: Any, t: int) -> float:
    return values[t + 1]  # type: ignore[no-any-return]


class HelperReadsTooFar(Compiled):
    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        for t in range(p.days, bars.close.size):
            out.entries[t] = last_of(bars.close, t) > bars.close[t]


class WritesTooFar(Compiled):
    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        for t in range(p.days, bars.close.size):
            out.entries[t + 1] = bars.close[t] > bars.close[t - 1]


class ShortDataOnly(Compiled):
    """Within the warm-up it reads bars that do not exist: wrong, but no look-ahead."""

    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        base = bars.close[p.days - 1]
        for t in range(p.days, bars.close.size):
            out.entries[t] = bars.close[t] > base


@pytest.mark.parametrize("strategy", [ReadsTooFar, HelperReadsTooFar, WritesTooFar])
def test_indices_of_compiled_code_are_checked(strategy: type[CompiledStrategy]) -> None:
    report = check_lookahead(strategy, {}, BARS)
    assert [d.test for d in report.differences] == ["bounds"]
    assert "outside of its arrays" in str(report)
    assert "test_lookahead.py, line" in str(report)
    with pytest.raises(LookaheadError, match="outside of its arrays"):
        report.raise_if_found()


def test_compiled_code_that_stays_inside_is_found_by_its_values() -> None:
    report = check_lookahead(StopsInTime, {}, BARS)
    assert {d.test for d in report.differences} == {"truncation", "perturbation"}
    assert next(d for d in report.differences if d.test == "truncation").needs == 1


def test_short_data_fail_without_look_ahead() -> None:
    report = check_lookahead(ShortDataOnly, {}, BARS)
    assert report.ok
    assert {f.cut for f in report.failures} == {1, 2, 9}
    assert "fails within the warm-up, given 1, 2, 9 bars" in str(report)


@pytest.mark.parametrize("name", [*list_strategies(), "vectorised"])
def test_built_in_strategies_are_clean(name: str) -> None:
    strategy = VectorisedMomentum if name == "vectorised" else get_strategy(name)
    bars = random_bars(700, symbols=3 if name == "rotation" else 1)
    space = strategy.space()
    candidates = [space.defaults(), *space.to_dicts(space.sample(4, np.random.default_rng(3)))]
    reports = [check_lookahead(strategy, candidate, bars) for candidate in candidates]
    assert all(report.ok for report in reports), "\n".join(map(str, reports))
    assert sum(report.n_events for report in reports) > 20


# --- other ways to fail ------------------------------------------------------------------------------------


class Noisy(Vectorised):
    state = itertools.count()

    def signals(self, bars: Bars) -> Signals:
        entries = np.random.default_rng(next(Noisy.state)).random(bars.n_bars) > 0.5
        return Signals(entries, ~entries)


def test_unrepeatable_signals_are_called_that() -> None:
    report = check_lookahead(Noisy, {}, BARS)
    assert report.differences[0].test == "repetition"
    assert "does not repeat its signals" in str(report)


class NeedsMuch(Vectorised):
    def signals(self, bars: Bars) -> Signals:
        if bars.n_bars < 100:
            raise ValueError("too few bars for me")
        return Signals(bars.close > 100, bars.close < 100)


def test_exceptions_on_short_data_are_reported() -> None:
    report = check_lookahead(NeedsMuch, {}, BARS)
    assert not report.found
    assert not report.ok
    assert min(f.cut for f in report.late_failures) > 10
    assert "too few bars for me" in str(report)
    assert report.to_dict()["ok"] is False


class Broken(Vectorised):
    def signals(self, bars: Bars) -> Signals:
        raise ZeroDivisionError("my mistake")


def test_a_strategy_that_always_fails_is_an_error() -> None:
    with pytest.raises(StrategyError, match="my mistake"):
        check_lookahead(Broken, {}, BARS)


class Silent(Vectorised):
    def signals(self, bars: Bars) -> Signals:
        return Signals(bars.close < 0, bars.close < 0)


def test_a_test_without_signals_says_so() -> None:
    report = check_lookahead(Silent, {}, BARS)
    assert report.ok
    assert "this says little" in str(report)


class SizedByVolatility(Vectorised):
    def signals(self, bars: Bars) -> Signals:
        return Signals(bars.close > 100, bars.close < 100, size=VolatilityTarget(0.1))


def test_the_number_of_bars_a_year_is_no_look_ahead() -> None:
    times = np.cumsum(np.random.default_rng(0).integers(1, 4, 400)) * DAY
    bars = Bars(BARS.open, BARS.high, BARS.low, BARS.close, BARS.volume, times, ("A",))
    report = check_lookahead(SizedByVolatility, {}, bars)
    assert report.ok, str(report)


def test_too_few_bars() -> None:
    with pytest.raises(DataError, match="needs 10 bars to warm up and there are 11"):
        check_lookahead(Clean, {}, BARS.slice(0, 11))


@pytest.mark.parametrize("cuts", [[0], [401], [-3]])
def test_cuts_outside_of_the_data(cuts: list[int]) -> None:
    with pytest.raises(BacktestError, match="from 1 to 400"):
        check_lookahead(Clean, {}, BARS, cuts=cuts)


def test_a_parameter_that_a_choice_activates_takes_its_default() -> None:
    bars = load_bars("nasdaq").slice(0, 300)
    report = check_lookahead(get_strategy("ma_cross"), {"stop": "fixed"}, bars, cuts=1)
    assert (report.params["stop"], report.params["stop_loss"]) == ("fixed", 0.1)


def test_cuts_can_be_given() -> None:
    assert check_lookahead(Clean, {}, BARS, cuts=[50, 20, 20, 400]).cuts == (20, 50)
    assert len(check_lookahead(Clean, {}, BARS, cuts=5).cuts) == 5


def test_the_report_is_plain_values() -> None:
    import json

    report = check_lookahead(ShiftedBack, {}, BARS)
    assert isinstance(report, LookaheadReport)
    text = json.loads(json.dumps(report.to_dict()))
    assert text["differences"][0]["array"] in ("entries", "exits")
    assert text["found"] is True
