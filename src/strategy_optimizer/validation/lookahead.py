"""Finds strategies that look into the future.

A signal at bar t may use bars up to t only. So the signals on the first c bars must equal those of the full
run up to there (truncation), and must not change when the bars after c are replaced by others (perturbation).

A slice of the bars still has the true next bar in memory behind its end, where compiled code that reads one
bar too far would find it and hide its mistake. So each run gets its own copy of the bars between NaN, and a
compiled strategy runs with every index checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest import CompiledStrategy
from strategy_optimizer.backtest.plan import SignalRows
from strategy_optimizer.backtest.strategy import AnyStrategy, declared_space, strategy_class
from strategy_optimizer.errors import BacktestError, DataError, StrategyError
from strategy_optimizer.market import Bars
from strategy_optimizer.validation.altered_bars import guarded, with_other_future
from strategy_optimizer.validation.checked_code import CheckedSignals, signal_maker
from strategy_optimizer.validation.lookahead_report import Difference, Failure, LookaheadReport

# Each array of a strategy as users know it, and its field in the engine's form.
ARRAYS = {
    "entries": "entries",
    "exits": "exits",
    "short_entries": "short_entries",
    "short_exits": "short_exits",
    "size": "size",
    "stop_loss": "stop",
    "take_profit": "target",
    "trailing_stop": "trail",
}
TOLERANCE = 1e-9  # relative; rounding may depend on the length where FFTs or blocked sums are used
N_SPREAD, N_EVENTS, N_LAST, N_PERTURBED = 24, 24, 8, 12
PLAIN_BARS = 5_000  # at most so many bars go through plain Python


def check_lookahead(
    strategy: AnyStrategy,
    params: Mapping[str, Any],
    bars: Bars,
    *,
    cuts: int | Sequence[int] | None = None,
    indices: bool = True,
    seed: int = 0,
) -> LookaheadReport:
    """Test whether the signals of one candidate use bars of the future.

    Parameters
    ----------
    strategy
        A strategy class or instance, vectorised or compiled.
    params : mapping
        The candidate; parameters left out take their defaults.
    bars : Bars
        One symbol or several.
    cuts : int or sequence of int, optional
        Lengths to test, or how many to spread evenly over the data. The default is dense around the warm-up,
        at the end, and right after bars where a signal of the full run switches on, and sparse between.
    indices : bool
        Whether compiled code is compiled once more, which takes seconds, to check every index it uses.
    seed : int
        For the replaced bars of the perturbation.

    Returns
    -------
    LookaheadReport
        Bars before the warm-up are not compared, since no decision is made there. NaN equals NaN. Order
        values (size, stops) are compared to a relative 1e-9, signals exactly.

    Raises
    ------
    StrategyError
        When the strategy fails on the full data.
    DataError
        When there are too few bars to test anything.

    Notes
    -----
    What it cannot see: other data than `bars` that the code reads, and indices in compiled helpers that are
    reached as ``module.helper``.

    Examples
    --------
    >>> from strategy_optimizer import get_strategy, load_bars
    >>> check_lookahead(get_strategy("momentum"), {}, load_bars("nasdaq").slice(0, 300)).ok
    True
    """
    return _Check(strategy, params, bars, indices, seed).run(cuts)


class _Check:
    """One test: the full run, and what differs from it."""

    full: SignalRows

    def __init__(
        self, strategy: AnyStrategy, params: Mapping[str, Any], bars: Bars, indices: bool, seed: int
    ) -> None:
        self.bars = bars
        self.indices = indices
        self.strategy = strategy_class(strategy)
        self.label = self.strategy.label()
        space = declared_space(self.strategy)
        # Of inactive parameters too: `params` may activate them.
        defaults = {name: parameter.default_value for name, parameter in space.parameters.items()}
        self.params = space.validate({**defaults, **params})
        self.rng = np.random.default_rng(seed)
        self.differences: dict[tuple[str, str], Difference] = {}
        self.failures: list[Failure] = []

    def run(self, cuts: int | Sequence[int] | None) -> LookaheadReport:
        n = self.bars.n_bars
        try:
            self.full = self._signals(n)
        except StrategyError as error:
            if not self._is_out_of_bounds(error):
                raise
            self._note_bounds(n)
            return self._report((), warmup=0, n_events=0)
        self._require_bars()
        lengths = self._lengths(cuts)
        self._compare(self._signals(n), n, "repetition")
        for cut in lengths:
            self._truncation(cut)
        for cut in _spread([c for c in lengths if c > self.full.warmup], N_PERTURBED):
            self._perturbation(cut)
        return self._report(lengths, self.full.warmup, len(_events(self.full)))

    def _report(self, cuts: tuple[int, ...], warmup: int, n_events: int) -> LookaheadReport:
        found = sorted(self.differences.values(), key=lambda d: (d.test != "repetition", d.bar, d.cut))
        return LookaheadReport(
            self.label,
            self.params,
            self.bars.n_bars,
            warmup,
            cuts,
            n_events,
            tuple(found),
            tuple(self.failures),
        )

    def _require_bars(self) -> None:
        if self.bars.n_bars <= self.full.warmup + 1:
            raise DataError(
                f"{self.label} needs {self.full.warmup} bars to warm up and there are {self.bars.n_bars}: "
                "nothing to compare; give more bars or shorter periods"
            )

    def _made(self, bars: Bars) -> SignalRows:
        return signal_maker(self.strategy, bars, indices=self.indices).one(self.params)

    def _signals(self, n_bars: int) -> SignalRows:
        """Return the signals on the first `n_bars`."""
        return self._made(guarded(self.bars, n_bars))

    def _is_out_of_bounds(self, error: StrategyError) -> bool:
        return isinstance(error.__cause__, IndexError) and issubclass(self.strategy, CompiledStrategy)

    # --- lengths --------------------------------------------------------------------------------------------

    def _lengths(self, cuts: int | Sequence[int] | None) -> tuple[int, ...]:
        n, first = self.bars.n_bars, self.full.warmup + 1
        if cuts is None:
            lengths = self._default_lengths(n, self.full.warmup)
        elif isinstance(cuts, int):
            lengths = np.linspace(first, n - 1, max(cuts, 1)).astype(int).tolist()
        else:
            lengths = list(cuts)
        outside = [cut for cut in lengths if not 1 <= cut <= n]
        if outside:
            raise BacktestError(f"cuts contains {outside[0]}; expected numbers of bars from 1 to {n}")
        return tuple(sorted(set(lengths) - {n}))

    def _default_lengths(self, n: int, warmup: int) -> list[int]:
        near = (1, 2, *range(warmup - 1, warmup + 4), *range(n - N_LAST, n))
        even = np.linspace(warmup + 1, n - 1, N_SPREAD).astype(int).tolist()
        # Data that end with the bar of a signal: a glimpse of one bar ahead shows here and hardly elsewhere.
        at_signals = [bar + 1 for bar in _spread(_events(self.full), N_EVENTS)]
        return [cut for cut in (*near, *even, *at_signals) if 1 <= cut < n]

    # --- tests ----------------------------------------------------------------------------------------------

    def _truncation(self, cut: int) -> None:
        try:
            signals = self._signals(cut)
        except StrategyError as error:
            if self._is_out_of_bounds(error) and cut > self.full.warmup:
                self._note_bounds(cut)
            else:
                self.failures.append(Failure(cut, _first_line(error)))
            return
        self._compare(signals, cut, "truncation")

    def _perturbation(self, cut: int) -> None:
        n = self.bars.n_bars
        altered = guarded(with_other_future(self.bars, cut, self.rng), n)
        try:
            signals = self._made(altered)
        except StrategyError as error:
            self.failures.append(Failure(n, f"with other bars from {cut:,} on: {_first_line(error)}"))
            return
        self._compare(signals, cut, "perturbation")

    def _compare(self, signals: SignalRows, cut: int, test: str) -> None:
        """Note where `signals` differ from the full run in the bars from the warm-up to the cut."""
        for name, field in ARRAYS.items():
            if name.startswith("short") and not self.full.has_short:
                continue
            expected, found = self._values(self.full, field, cut), self._values(signals, field, cut)
            wrong = np.argwhere(~_equal(expected, found).T)
            if not len(wrong):
                continue
            offset, symbol = wrong[0].tolist()
            bar = self.full.warmup + offset
            known = self.differences.get((name, test))
            if known is None or bar < known.bar:
                values = _text(expected[symbol, offset]), _text(found[symbol, offset])
                needs = self._needs(field, bar, symbol, cut) if test == "truncation" else None
                self._note(name, bar, symbol, cut, test, *values, needs)

    def _note(
        self, array: str, bar: int, symbol: int, cut: int, test: str, full: str, found: str, needs: int | None
    ) -> None:
        time = str(np.datetime64(int(self.bars.timestamp[bar]), "ns"))[:16].removesuffix("T00:00")
        name = self.bars.symbols[symbol]
        self.differences[array, test] = Difference(array, bar, time, name, cut, test, full, found, needs)

    def _note_bounds(self, cut: int) -> None:
        if ("", "bounds") not in self.differences and issubclass(self.strategy, CompiledStrategy):
            recent = self.bars.slice(max(0, cut - PLAIN_BARS), cut)
            place = CheckedSignals(self.strategy, recent).place_of_index_error(self.params)
            self._note("", cut - 1, 0, cut, "bounds", "", place, None)

    def _values(self, signals: SignalRows, field: str, cut: int) -> NDArray[Any]:
        """Return one array as (symbols, bars from the warm-up to the cut)."""
        values = getattr(signals, field)
        if values.shape[1] == 1:
            return np.broadcast_to(values, (len(values), max(cut - self.full.warmup, 0)))
        return np.asarray(values[:, self.full.warmup : cut])

    def _needs(self, field: str, bar: int, symbol: int, cut: int) -> int | None:
        """Return how many bars after `bar` make its value that of the full run."""
        expected = self._values(self.full, field, bar + 1)[symbol, -1]
        for later in (*range(cut - bar, 11), 20, 50, 100, 200):
            if bar + 1 + later >= self.bars.n_bars:
                return None
            try:
                signals = self._signals(bar + 1 + later)
            except StrategyError:
                return None
            if bool(_equal(self._values(signals, field, bar + 1)[symbol, -1], expected)):
                return int(later)
        return None


def _equal(a: Any, b: Any) -> Any:
    """Compare elementwise: NaN equals NaN, numbers to the tolerance, signals exactly."""
    if np.asarray(a).dtype == np.bool_:
        return np.equal(a, b)
    return np.isclose(a, b, rtol=TOLERANCE, atol=0.0, equal_nan=True)


def _events(signals: SignalRows) -> list[int]:
    """Return the bars from the warm-up on where a signal switches on."""
    on = np.zeros(signals.entries.shape[1], dtype=bool)
    for values in signals.flags[: 4 if signals.has_short else 2]:
        before = np.concatenate([np.zeros((len(values), 1), bool), values[:, :-1]], axis=1)
        on |= (values & ~before).any(axis=0)
    return [int(bar) for bar in np.flatnonzero(on) if bar >= signals.warmup]


def _spread(items: Sequence[int], n: int) -> list[int]:
    """Return at most `n` of the items, evenly spread, the last one included."""
    if len(items) <= n:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, n).astype(int)]


def _text(value: Any) -> str:
    return str(bool(value)) if isinstance(value, np.bool_) else f"{float(value):.10g}"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300]
