"""Evaluates a population of candidates on all cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.batch import SignalBatch
from strategy_optimizer.backtest.compiled import order_masks, strategy_kernel
from strategy_optimizer.backtest.costs import Costs
from strategy_optimizer.backtest.explain import explain_compilation, place_in_user_code
from strategy_optimizer.backtest.kernel_cache import wide_vectors
from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.backtest.plan import (
    Rules,
    SignalRows,
    as_bars,
    bar_rows,
    signal_rows,
    wrong_level,
)
from strategy_optimizer.backtest.result import MetricsTable
from strategy_optimizer.backtest.simulator import Simulator
from strategy_optimizer.backtest.strategy import (
    AnyStrategy,
    CompiledStrategy,
    Parameters,
    Strategy,
    declared_space,
    strategy_class,
)
from strategy_optimizer.errors import BacktestError, SpaceError, StrategyError, StrategyOptimizerError
from strategy_optimizer.market import Bars
from strategy_optimizer.space import ParameterSpace

FloatArray = NDArray[np.float64]
# Signals that wait for the simulator, in bytes a thread: small enough to stay in the processor's caches.
SIGNAL_BYTES = 2**18
# Over very many bars more, but not without bound: candidates that are to walk through the bars together.
MOST_SIGNAL_BYTES = 2**23
# Fewer candidates than this a chunk, and calling the kernels would show.
LEAST_AT_ONCE = 16
# Dicts of candidates that exist at a time: thousands would set off Python's garbage collector.
DICTS_AT_ONCE = 256


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
    evaluator = PopulationEvaluator(strategy, as_bars(bars), rules, threads=threads)
    points = evaluator.points(candidates)
    _check_feasible(points, evaluator.space)
    return evaluator.evaluate(points)


class PopulationEvaluator:
    """Evaluates populations again and again on the same bars; keeps indicators and prepared bars.

    Strategies are given the bars up to the end of the window and none after it.
    """

    def __init__(
        self, strategy: AnyStrategy, bars: Bars, rules: Rules, *, threads: int | None = None
    ) -> None:
        if threads is not None and threads < 1:
            raise BacktestError(f"threads is {threads}; expected at least 1")
        self.strategy = strategy_class(strategy)
        self.space = declared_space(self.strategy)
        self.bars = rules.seen_of(bars)
        self.rules = rules
        self.threads = threads or available_cores()
        self.signal_maker = signal_maker(self.strategy, self.bars)
        self.simulator = Simulator(self.bars, rules)
        # Of inactive parameters too: a candidate may activate them.
        self._defaults = {name: p.default_value for name, p in self.space.parameters.items()}

    def evaluate(self, candidates: Sequence[Mapping[str, Any]] | FloatArray) -> MetricsTable:
        """Return the metrics of the candidates, in their order; an array may leave the bounds of the space."""
        points = self.points(candidates)
        table = MetricsTable(
            np.full((len(points), len(METRICS)), np.nan), np.zeros((len(points), self.rules.n_blocks, 3)), {}
        )
        if isinstance(self.signal_maker, CompiledSignals):
            self._run_compiled(self.signal_maker, points, table)
        else:
            self._run_vectorised(self.signal_maker, points, table)
        return table

    def signals(self, params: Mapping[str, Any]) -> SignalRows:
        """Return the signals of one candidate in the engine's form."""
        return self.signal_maker.one(self.space.validate({**self._defaults, **params}))

    def points(self, candidates: Sequence[Mapping[str, Any]] | FloatArray) -> FloatArray:
        """Return the candidates as an array (n, d); dicts must be points of the space."""
        if isinstance(candidates, np.ndarray):
            if candidates.ndim != 2 or candidates.shape[1] != self.space.n_dims:
                raise BacktestError(
                    f"candidates have the shape {candidates.shape}; expected (n, {self.space.n_dims}) with the "
                    f"columns {', '.join(self.space.names)}"
                )
            return np.ascontiguousarray(candidates, dtype=np.float64)
        if not isinstance(candidates, Sequence) or not all(isinstance(each, Mapping) for each in candidates):
            raise BacktestError(
                f"candidates is a {type(candidates).__name__}; expected a list of dicts, or an array "
                f"(n, {self.space.n_dims})"
            )
        points = self.space.from_dicts([{**self._defaults, **candidate} for candidate in candidates])
        wrong = np.flatnonzero(~self.space.is_feasible(points))
        if len(wrong):
            self.space.validate(
                {**self._defaults, **candidates[int(wrong[0])]}
            )  # raises, and says what is wrong
        return points

    def _run_compiled(self, maker: CompiledSignals, points: FloatArray, table: MetricsTable) -> None:
        """Let each thread take chunk after chunk of the points, turn it into signals and simulate these."""
        maker.compile()
        together = min(self.simulator.together, MOST_SIGNAL_BYTES // maker.bytes_each)
        at_most = max(1, together, SIGNAL_BYTES // maker.bytes_each)
        chunks = _chunks(len(points), self.threads, at_most)
        left = iter(chunks)

        def work() -> None:
            arrays, room = maker.room(min(at_most, len(points))), self.simulator.room()
            for rows in left:
                self._fill_and_simulate(maker, points, rows, arrays, room, table)

        workers = min(self.threads, len(chunks))
        if workers < 2:
            work()
            return
        with ThreadPoolExecutor(workers) as pool:
            for future in [pool.submit(work) for _ in range(workers)]:
                future.result()

    def _fill_and_simulate(
        self,
        maker: CompiledSignals,
        points: FloatArray,
        rows: slice,
        arrays: Any,
        room: Any,
        table: MetricsTable,
    ) -> None:
        try:
            filled = maker.fill(points[rows], arrays)
        except Exception as error:  # the strategy raised for one of them: find out for which
            if rows.stop - rows.start == 1:
                table.errors[rows.start] = f"{type(error).__name__}: {error}"
                return
            for row in range(rows.start, rows.stop):
                self._fill_and_simulate(maker, points, slice(row, row + 1), arrays, room, table)
            return
        out = table.values[rows], table.blocks[rows]
        self.simulator.run(filled.sets, filled[4:8], filled.warmups, maker.notional, room, out)
        for i in np.flatnonzero(filled.wrong >= 0).tolist():
            table.values[rows.start + i], table.blocks[rows.start + i] = np.nan, 0.0
            table.errors[rows.start + i] = maker.wrong_level(filled, i)

    def _run_vectorised(self, maker: VectorisedSignals, points: FloatArray, table: MetricsTable) -> None:
        """Compute signals in this thread while others simulate those of the chunk before.

        The strategy is the user's Python: it keeps to one thread, which need not be the one bottleneck.
        """
        workers = max(1, self.threads - 1)
        with ThreadPoolExecutor(workers) as pool:
            running: deque[Future[None]] = deque()
            unused: list[SignalBatch] = []
            batch: SignalBatch | None = None

            def simulate(batch: SignalBatch) -> None:
                self._simulate_batch(batch, table)
                unused.append(batch)

            for i, params in enumerate(self._dicts(points)):
                try:
                    plan = maker.one(params)
                except StrategyError as error:
                    table.errors[i] = str(error)
                    continue
                if batch is None or not batch.takes(plan):
                    if batch is not None:
                        running.append(pool.submit(simulate, batch))
                    if len(running) > workers:  # the simulators are behind: wait instead of piling up signals
                        running.popleft().result()
                    batch = _batch_for(plan, unused)
                batch.add(i, plan)
            if batch is not None:
                simulate(batch)
            for future in running:
                future.result()

    def _dicts(self, points: FloatArray) -> Iterator[dict[str, Any]]:
        for first in range(0, len(points), DICTS_AT_ONCE):
            yield from self.space.to_dicts(points[first : first + DICTS_AT_ONCE])

    def _simulate_batch(self, batch: SignalBatch, table: MetricsTable) -> None:
        n = len(batch.rows)
        sets = self.simulator.sets([flags[:n] for flags in batch.flags])
        levels = [level[:n] for level in batch.levels]
        out = np.empty((n, len(METRICS))), np.empty((n, self.rules.n_blocks, 3))
        self.simulator.run(
            sets, levels, batch.warmups[:n], batch.size_is_notional, self.simulator.room(), out
        )
        table.values[batch.rows], table.blocks[batch.rows] = out


class CompiledSignals:
    """Makes the signals of a compiled strategy."""

    def __init__(self, strategy: type[CompiledStrategy], bars: Bars) -> None:
        self.strategy = strategy
        self.space = declared_space(strategy)
        self.bars = bars
        self.has_short = strategy.short
        self.notional = strategy.notional
        self.kernel = strategy_kernel(strategy)  # type: ignore[arg-type]  # mypy overlooks that a class has a hash
        self.prices = self.kernel.BarArrays(*bar_rows(bars))

    @property
    def bytes_each(self) -> int:
        """Bytes of signals and order values of one candidate."""
        return sum(array[0].nbytes for array in self.room(1)[4:])

    def compile(self) -> None:
        """Compile before threads start; a strategy that Numba cannot compile is the caller's mistake."""
        if not self.kernel.compiled_signals.signatures:
            try:
                with wide_vectors():
                    self.fill(np.empty((0, self.space.n_dims)), self.room(1))
            except Exception as error:
                raise StrategyError(explain_compilation(self.strategy, error)) from error

    def room(self, n: int) -> Any:
        """Return arrays for the signals of `n` candidates."""
        n_symbols, n_bars = self.bars.n_symbols, self.bars.n_bars
        short = n_bars if self.has_short else 1
        flags = [np.zeros((n_symbols, length), np.bool_) for length in (n_bars, n_bars, short, short)]
        levels = [np.empty((n, n_symbols, n_bars if mask else 1)) for mask in order_masks(self.strategy)]
        sets = np.empty((n, n_symbols, 4 if self.has_short else 2, -(-n_bars // 64)), np.uint64)
        return self.kernel.SignalArrays(*flags, *levels, np.empty(n, np.int64), sets, np.empty(n, np.int8))

    def fill(self, points: FloatArray, room: Any) -> Any:
        """Write the signals of the points (n, d) into `room`; return the part of it that is filled."""
        used = self.kernel.SignalArrays(*room[:4], *(array[: len(points)] for array in room[4:]))
        self._write(points, used)
        return used

    def _write(self, points: FloatArray, used: Any) -> None:
        self.kernel.compiled_signals(self.prices, points, used)

    def wrong_level(self, filled: Any, i: int) -> str:
        """Return what is wrong with an order value of candidate i."""
        return f"{self.strategy.label()}: {wrong_level(filled.wrong[i])}"

    def one(self, params: Mapping[str, Any]) -> SignalRows:
        """Return the signals of one candidate."""
        self.compile()
        try:
            filled = self.fill(self.space.from_dicts([params]), self.room(1))
        except Exception as error:
            label = self.strategy.label()
            raise StrategyError(f"{label} raised {type(error).__name__}: {error}") from error
        if filled.wrong[0] >= 0:
            raise StrategyError(self.wrong_level(filled, 0))
        size, stop, target, trail = (level[0] for level in filled[4:8])
        warmup = int(filled.warmups[0])
        return SignalRows(
            filled.entries,
            filled.exits,
            filled.short_entries,
            filled.short_exits,
            size,
            stop,
            target,
            trail,
            warmup=warmup,
            size_is_notional=self.notional,
        )


class VectorisedSignals:
    """Makes the signals of a vectorised strategy."""

    def __init__(self, strategy: type[Strategy], bars: Bars) -> None:
        self.strategy = strategy
        self.inactive = dict.fromkeys(declared_space(strategy).names)
        self.bars = bars
        self.instance = strategy()

    def one(self, params: Mapping[str, Any]) -> SignalRows:
        """Return the signals of one candidate; whatever goes wrong is a `StrategyError`."""
        label = self.strategy.label()
        known = Parameters({**self.inactive, **params})
        self.instance._bind(known)
        try:
            signals = self.instance.signals(self.bars)
            return signal_rows(signals, self.bars, self.instance.warmup(known))
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


def _check_feasible(points: FloatArray, space: ParameterSpace) -> None:
    """Refuse an array that the kernel would read past its choices, or make no sense of."""
    wrong = np.flatnonzero(~space.is_feasible(points))
    if len(wrong):
        found = dict(zip(space.names, points[wrong[0]].tolist(), strict=True))
        raise SpaceError(
            f"row {wrong[0]} of the candidates is no point of {space.name}: {found}; expected values within the "
            "bounds, on the steps, and choices by their index, NaN only where a parameter is inactive, and all "
            "constraints satisfied"
        )


def available_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _chunks(n: int, threads: int, at_most: int) -> list[slice]:
    """Return n candidates cut up for threads that take one chunk after the other.

    Towards the end the chunks get smaller, so that all threads are done at about the same time.
    """
    chunks, first = [], 0
    while first < n:
        size = min(at_most, max(LEAST_AT_ONCE, (n - first) // (2 * threads)))
        chunks.append(slice(first, min(first + size, n)))
        first += size
    return chunks


def _batch_for(plan: SignalRows, unused: list[SignalBatch]) -> SignalBatch:
    """Return an empty batch that takes the plan: one that was used before, whose memory is at hand, if there is."""
    while unused:
        batch = unused.pop()
        batch.rows = []
        if batch.takes(plan):
            return batch
    return SignalBatch(plan)
