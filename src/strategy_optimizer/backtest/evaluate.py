"""Evaluates a population of candidates on all cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.compiled import order_masks, simulators, strategy_kernel
from strategy_optimizer.backtest.costs import Costs
from strategy_optimizer.backtest.explain import explain_compilation, place_in_user_code
from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.backtest.plan import (
    BarRows,
    Rules,
    SignalRows,
    account_values,
    as_bars,
    bar_rows,
    level_masks,
    signal_rows,
)
from strategy_optimizer.backtest.result import MetricsTable
from strategy_optimizer.backtest.strategy import (
    AnyStrategy,
    CompiledStrategy,
    Parameters,
    Strategy,
    strategy_class,
)
from strategy_optimizer.errors import BacktestError, StrategyError, StrategyOptimizerError
from strategy_optimizer.market import Bars

FloatArray = NDArray[np.float64]
# Signals that wait for the simulator, in bytes a thread: small enough to stay in the processor's caches.
SIGNAL_BYTES = 2**19


def evaluate_population(
    strategy: AnyStrategy,
    candidates: Sequence[Mapping[str, Any]] | FloatArray,
    bars: Bars,
    *,
    costs: Costs | None = None,
    fill: str = "next_open",
    cash: float = 100_000.0,
    reentry: str = "while_true",
    window: tuple[int, int] | None = None,
    n_blocks: int = 16,
    periods_per_year: float | None = None,
    threads: int | None = None,
) -> MetricsTable:
    """Backtest many candidates on the same bars and return their metrics.

    Parameters
    ----------
    strategy
        A strategy class or instance, vectorised or compiled.
    candidates
        Dicts of parameters (those left out take their defaults), or an array (n, d) in natural units: columns in
        the order of the strategy's space, categories by index, NaN where a parameter is inactive.
    bars
        One symbol or several that share the cash account; whatever `load_bars` takes is loaded.
    costs, fill, cash, reentry, window, n_blocks, periods_per_year
        As in `Rules`.
    threads
        Cores to use; all by default. The result does not depend on it.

    Returns
    -------
    MetricsTable
        A candidate whose strategy raised or returned something unusable has NaN metrics and an entry in
        ``errors``.

    Raises
    ------
    SpaceError
        When a candidate is not a point of the strategy's space.

    Examples
    --------
    >>> from strategy_optimizer import get_strategy, load_bars
    >>> table = evaluate_population(get_strategy("momentum"), [{"lookback_period": 20}], load_bars("nasdaq"))
    >>> int(table[0]["trades"]) > 10
    True
    """
    rules = Rules(costs or Costs(), cash, fill, reentry, window, n_blocks, periods_per_year)
    return PopulationEvaluator(strategy, as_bars(bars), rules, threads=threads).evaluate(candidates)


class PopulationEvaluator:
    """Evaluates populations again and again on the same bars; keeps indicators and prepared bars."""

    def __init__(
        self, strategy: AnyStrategy, bars: Bars, rules: Rules, *, threads: int | None = None
    ) -> None:
        if threads is not None and threads < 1:
            raise BacktestError(f"threads is {threads}; expected at least 1")
        self.strategy = strategy_class(strategy)
        self.space = self.strategy.space()
        self.bars = bars
        self.rules = rules
        self.threads = threads or available_cores()
        self.signal_maker = signal_maker(self.strategy, bars)
        self._rows = bar_rows(bars)
        self._extremes: dict[bool, Any] = {}
        # Of inactive parameters too: a candidate may activate them.
        self._defaults = {name: p.default_value for name, p in self.space.parameters.items()}

    def evaluate(self, candidates: Sequence[Mapping[str, Any]] | FloatArray) -> MetricsTable:
        """Return the metrics of the candidates, in their order."""
        points = self._points(candidates)
        values = np.full((len(points), len(METRICS)), np.nan)
        blocks = np.zeros((len(points), self.rules.n_blocks, 3))
        errors: dict[int, str] = {}
        if isinstance(self.signal_maker, CompiledSignals):
            self._run_compiled(self.signal_maker, points, values, blocks, errors)
        else:
            self._run_vectorised(self.signal_maker, points, values, blocks, errors)
        return MetricsTable(values, blocks, errors)

    def signals(self, params: Mapping[str, Any]) -> SignalRows:
        """Return the signals of one candidate in the engine's form."""
        return self.signal_maker.one(self.space.validate({**self._defaults, **params}))

    def _points(self, candidates: Sequence[Mapping[str, Any]] | FloatArray) -> FloatArray:
        if isinstance(candidates, np.ndarray):
            if candidates.ndim != 2 or candidates.shape[1] != self.space.n_dims:
                raise BacktestError(
                    f"candidates have the shape {candidates.shape}; expected (n, {self.space.n_dims}) with the "
                    f"columns {', '.join(self.space.names)}"
                )
            return np.ascontiguousarray(candidates, dtype=np.float64)
        points = self.space.from_dicts([{**self._defaults, **candidate} for candidate in candidates])
        wrong = np.flatnonzero(~self.space.is_feasible(points))
        if len(wrong):
            self.space.validate(
                {**self._defaults, **candidates[int(wrong[0])]}
            )  # raises, and says what is wrong
        return points

    def _run_compiled(
        self,
        maker: CompiledSignals,
        points: FloatArray,
        values: FloatArray,
        blocks: FloatArray,
        errors: dict[int, str],
    ) -> None:
        """Let each thread turn its part of the points into signals and simulate them, a cache-full at a time."""
        maker.compile()
        self._simulator(maker.has_short)
        at_once = max(1, SIGNAL_BYTES // maker.bytes_each)

        def work(part: slice) -> None:
            room = maker.room(min(at_once, part.stop - part.start))
            for first in range(part.start, part.stop, at_once):
                rows = np.arange(first, min(first + at_once, part.stop))
                signals = {"rows": rows, "room": room}
                self._fill_and_simulate(maker, points, signals, values, blocks, errors)

        parts = _parts(len(points), self.threads)
        if len(parts) == 1:
            work(parts[0])
            return
        with ThreadPoolExecutor(self.threads) as pool:
            for future in [pool.submit(work, part) for part in parts]:
                future.result()

    def _fill_and_simulate(
        self,
        maker: CompiledSignals,
        points: FloatArray,
        signals: dict[str, Any],
        values: FloatArray,
        blocks: FloatArray,
        errors: dict[int, str],
    ) -> None:
        rows, room = signals["rows"], signals["room"]
        try:
            arrays = maker.fill(points[rows], room)
        except Exception as error:  # the strategy raised for one of them: find out for which
            if len(rows) == 1:
                errors[int(rows[0])] = f"{type(error).__name__}: {error}"
                return
            for row in rows:
                self._fill_and_simulate(
                    maker, points, {"rows": np.array([row]), "room": room}, values, blocks, errors
                )
            return
        self._simulate(arrays, maker.notional, maker.has_short, rows, values, blocks)

    def _run_vectorised(
        self,
        maker: VectorisedSignals,
        points: FloatArray,
        values: FloatArray,
        blocks: FloatArray,
        errors: dict[int, str],
    ) -> None:
        """Compute signals in this thread while the others simulate those of the chunk before."""
        at_once = max(1, 8 * SIGNAL_BYTES // (4 * self.bars.close.size))
        dicts = self.space.to_dicts(points)
        with ThreadPoolExecutor(self.threads) as pool:
            running: list[Future[None]] = []
            for first in range(0, len(points), at_once):
                plans: dict[int, SignalRows] = {}
                for i in range(first, min(first + at_once, len(points))):
                    try:
                        plans[i] = maker.one(dicts[i])
                    except StrategyError as error:
                        errors[i] = str(error)
                for has_short in {plan.has_short for plan in plans.values()}:
                    self._simulator(has_short)  # loaded here, not by several threads at once
                for future in running:
                    future.result()
                running = [
                    pool.submit(self._simulate_plans, part, values, blocks)
                    for part in _split(plans, self.threads)
                ]
            for future in running:
                future.result()

    def _simulate_plans(
        self, plans: Mapping[int, SignalRows], values: FloatArray, blocks: FloatArray
    ) -> None:
        """Simulate candidates whose order values have the same form together."""
        for group in _same_form(plans):
            any_plan = next(iter(group.values()))
            columns = [np.stack(column) for column in zip(*(p.arrays for p in group.values()), strict=True)]
            warmups = np.array([p.warmup for p in group.values()], dtype=np.int64)
            notional, has_short = any_plan.size_is_notional, any_plan.has_short
            self._simulate([*columns, warmups], notional, has_short, np.array(list(group)), values, blocks)

    def _simulate(
        self,
        arrays: Sequence[NDArray[Any]],
        notional: bool,
        has_short: bool,
        rows: NDArray[np.int64],
        values: FloatArray,
        blocks: FloatArray,
    ) -> None:
        """Run the simulator over signals (candidates, symbols, bars) and put the metrics into `rows`."""
        kernel = self._simulator(has_short)
        flags, levels, warmups = arrays[:4], arrays[4:8], arrays[8]
        account = kernel.Account(*account_values(self.rules, self.bars, notional))
        masks = level_masks(levels)
        tally = np.empty(kernel.TALLY)
        out, sums = np.empty((len(rows), len(METRICS))), np.empty((len(rows), self.rules.n_blocks, 3))
        if self.bars.n_symbols == 1:
            flags, levels = [f[:, 0] for f in flags], [x[:, 0] for x in levels]
            market = symbol_bars(kernel, self._rows), self._extremes[has_short]
            path = equity_path(kernel, account, self.rules.n_blocks)
            kernel.run_signals(*market, *flags, warmups, *levels, masks, account, tally, path, out, sums)
        else:
            market = kernel_bars(kernel, self._rows)
            kernel.run_portfolio_signals(market, *flags, warmups, *levels, masks, account, tally, out, sums)
        values[rows], blocks[rows] = out, sums

    def _simulator(self, has_short: bool) -> Any:
        kernel = simulators(has_short)
        if has_short not in self._extremes:
            self._extremes[has_short] = kernel.group_extremes(symbol_bars(kernel, self._rows))
        return kernel


class CompiledSignals:
    """Makes the signals of a compiled strategy."""

    def __init__(self, strategy: type[CompiledStrategy], bars: Bars) -> None:
        self.strategy = strategy
        self.space = strategy.space()
        self.bars = bars
        self.has_short = strategy.short
        self.notional = strategy.notional
        self.kernel = strategy_kernel(strategy)  # type: ignore[arg-type]  # mypy overlooks that a class has a hash
        self.prices = kernel_bars(self.kernel, bar_rows(bars))

    @property
    def bytes_each(self) -> int:
        """Bytes of signals and order values of one candidate."""
        return sum(array[0].nbytes for array in self.room(1)[:8])

    def compile(self) -> None:
        """Compile before threads start; a strategy that Numba cannot compile is the caller's mistake."""
        if not self.kernel.compiled_signals.signatures:
            try:
                self.fill(np.empty((0, self.space.n_dims)), self.room(1))
            except Exception as error:
                raise StrategyError(explain_compilation(self.strategy, error)) from error

    def room(self, n: int) -> Any:
        """Return arrays for the signals of `n` candidates."""
        n_symbols, n_bars = self.bars.n_symbols, self.bars.n_bars
        short = n_bars if self.has_short else 1
        flags = [np.zeros((n, n_symbols, length), np.bool_) for length in (n_bars, n_bars, short, short)]
        levels = [np.empty((n, n_symbols, n_bars if mask else 1)) for mask in order_masks(self.strategy)]
        return self.kernel.SignalArrays(*flags, *levels, np.empty(n, np.int64))

    def fill(self, points: FloatArray, room: Any) -> Any:
        """Write the signals of the points (n, d) into `room`; return the part of it that is filled."""
        used = self.kernel.SignalArrays(*(array[: len(points)] for array in room))
        for flags in used[:4]:
            flags.fill(False)
        self.kernel.compiled_signals(self.prices, points, used)
        return used

    def one(self, params: Mapping[str, Any]) -> SignalRows:
        """Return the signals of one candidate."""
        self.compile()
        try:
            *arrays, warmups = self.fill(self.space.from_dicts([params]), self.room(1))
        except Exception as error:
            label = self.strategy.label()
            raise StrategyError(f"{label} raised {type(error).__name__}: {error}") from error
        return SignalRows.of([array[0] for array in arrays], int(warmups[0]), self.notional)


class VectorisedSignals:
    """Makes the signals of a vectorised strategy."""

    def __init__(self, strategy: type[Strategy], bars: Bars) -> None:
        self.strategy = strategy
        self.names = strategy.space().names
        self.bars = bars
        self.instance = strategy()

    def one(self, params: Mapping[str, Any]) -> SignalRows:
        """Return the signals of one candidate; whatever goes wrong is a `StrategyError`."""
        label = self.strategy.label()
        self.instance._bind(params)
        try:
            signals = self.instance.signals(self.bars)
            warmup = int(self.instance.warmup(Parameters({n: params.get(n) for n in self.names})))
            return signal_rows(signals, self.bars, warmup)
        except StrategyOptimizerError as error:
            raise StrategyError(f"{label}: {error}") from error
        except Exception as error:
            place = place_in_user_code(error)
            raise StrategyError(f"{label} raised {type(error).__name__}: {error}{place}") from error


def signal_maker(
    strategy: type[Strategy] | type[CompiledStrategy], bars: Bars
) -> CompiledSignals | VectorisedSignals:
    """Return what makes the signals of a strategy, in either style."""
    if issubclass(strategy, CompiledStrategy):
        return CompiledSignals(strategy, bars)
    return VectorisedSignals(strategy, bars)


def kernel_bars(kernel: Any, rows: BarRows) -> Any:
    """Return the prices as the kernel's named tuple."""
    return kernel.BarArrays(rows.open, rows.high, rows.low, rows.close, rows.volume)


def symbol_bars(kernel: Any, rows: BarRows) -> Any:
    """Return the prices of the first symbol as the kernel's named tuple."""
    return kernel.BarArrays(*(row[0] for row in (rows.open, rows.high, rows.low, rows.close, rows.volume)))


def equity_path(kernel: Any, account: Any, n_blocks: int) -> Any:
    """Return room for the path of one run's equity."""
    n = account.stop - account.start + 1
    return kernel.Path(
        np.empty(n), np.empty(n, np.int64), np.empty(n_blocks + 1, np.int64), np.empty(3, np.int64)
    )


def available_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _parts(n: int, threads: int) -> list[slice]:
    """Cut n candidates into parts that keep the threads evenly busy; one part when there are few."""
    size = max(16, -(-n // (threads * 4))) if threads > 1 else max(n, 1)
    return [slice(first, min(first + size, n)) for first in range(0, n, size)] or [slice(0, 0)]


def _split(plans: Mapping[int, SignalRows], parts: int) -> Iterator[dict[int, SignalRows]]:
    keys = list(plans)
    size = max(1, -(-len(keys) // parts))
    for first in range(0, len(keys), size):
        yield {k: plans[k] for k in keys[first : first + size]}


def _same_form(plans: Mapping[int, SignalRows]) -> list[dict[int, SignalRows]]:
    """Group candidates whose arrays have the same shapes."""
    groups: dict[tuple[Any, ...], dict[int, SignalRows]] = {}
    for i, plan in plans.items():
        form = (plan.size_is_notional, *(array.shape for array in plan.arrays))
        groups.setdefault(form, {})[i] = plan
    return list(groups.values())
