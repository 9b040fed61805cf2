"""Evaluates a population of candidates on all cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.compiled import base_kernel, strategy_kernel
from strategy_optimizer.backtest.costs import Costs
from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.backtest.plan import (
    BarRows,
    Rules,
    SignalRows,
    account_values,
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
# Signals of vectorised strategies that wait for the kernel, in bytes a chunk.
SIGNAL_BYTES = 8 * 2**20


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
        One symbol or several that share the cash account.
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
    return PopulationEvaluator(strategy, bars, rules, threads=threads).evaluate(candidates)


class PopulationEvaluator:
    """Evaluates populations again and again on the same bars; keeps indicators and prepared bars."""

    def __init__(self, strategy: AnyStrategy, bars: Bars, rules: Rules, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise BacktestError(f"threads is {threads}; expected at least 1")
        self.strategy = strategy_class(strategy)
        self.space = self.strategy.space()
        self.bars = bars
        self.rules = rules
        self.threads = threads or available_cores()
        self._rows = bar_rows(bars)
        self._template: Strategy | None = None
        self._group_extremes: Any = None
        if issubclass(self.strategy, CompiledStrategy):
            self._kernel = strategy_kernel(self.strategy)
        else:
            self._kernel = base_kernel()
            self._template = self.strategy()

    def evaluate(self, candidates: Sequence[Mapping[str, Any]] | FloatArray) -> MetricsTable:
        """Return the metrics of the candidates, in their order."""
        points = self._points(candidates)
        n = len(points)
        values = np.full((n, len(METRICS)), np.nan)
        blocks = np.zeros((n, self.rules.n_blocks, 3))
        errors: dict[int, str] = {}
        if self._template is None:
            self._run_compiled(points, values, blocks, errors)
        else:
            self._run_vectorised(points, values, blocks, errors)
        return MetricsTable(values, blocks, errors)

    def signals(self, params: Mapping[str, Any]) -> SignalRows:
        """Return the signals of one candidate in the engine's form."""
        canonical = self.space.validate(self.space.defaults() | dict(params))
        if self._template is None:
            return self._compiled_signals(self.space.from_dicts([canonical])[0])
        return self._vectorised_signals(canonical)

    def _points(self, candidates: Sequence[Mapping[str, Any]] | FloatArray) -> FloatArray:
        if isinstance(candidates, np.ndarray):
            if candidates.ndim != 2 or candidates.shape[1] != self.space.n_dims:
                raise BacktestError(
                    f"candidates have the shape {candidates.shape}; expected (n, {self.space.n_dims}) with the "
                    f"columns {', '.join(self.space.names)}"
                )
            return np.ascontiguousarray(candidates, dtype=np.float64)
        defaults = self.space.defaults()
        return self.space.from_dicts([self.space.validate(defaults | dict(c)) for c in candidates])

    # --- compiled -------------------------------------------------------------------------------------------

    def _run_compiled(
        self, points: FloatArray, values: FloatArray, blocks: FloatArray, errors: dict[int, str]
    ) -> None:
        account = self._account(self.strategy.notional)  # type: ignore[union-attr]  # a CompiledStrategy here
        single = self.bars.n_symbols == 1
        run = self._kernel.run_compiled if single else self._kernel.run_compiled_portfolio
        market = (self._bar_arrays(), self._extremes()) if single else (self._bar_arrays(),)

        def work(part: slice) -> None:
            try:
                run(*market, points[part], account, self._scratch(), values[part], blocks[part])
            except Exception as error:  # the strategy raised for one of them: find out for which
                if part.stop - part.start == 1:
                    values[part] = np.nan
                    errors[part.start] = f"{type(error).__name__}: {error}"
                else:
                    for i in range(part.start, part.stop):
                        work(slice(i, i + 1))

        self._compile(run, market, account)
        parts = chunks(len(points), self.threads)
        if len(parts) <= 1 or self.threads == 1:
            for part in parts:
                work(part)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            for future in [pool.submit(work, part) for part in parts]:
                future.result()

    def _compile(self, run: Any, market: tuple[Any, ...], account: Any) -> None:
        """Compile before the threads start; a strategy that Numba cannot compile is the caller's mistake."""
        if run.signatures:
            return
        nobody = np.empty((0, self.space.n_dims)), account, self._scratch(), np.empty((0, len(METRICS)))
        try:
            run(*market, *nobody, np.empty((0, self.rules.n_blocks, 3)))
        except Exception as error:
            raise StrategyError(_explain_compilation(self.strategy, error)) from error

    def _compiled_signals(self, point: FloatArray) -> SignalRows:
        scratch = self._scratch()
        try:
            warmup = self._kernel.compiled_signals(self._bar_arrays(), point, scratch)
        except Exception as error:
            raise StrategyError(_explain_compilation(self.strategy, error)) from error
        shape = scratch.entries.shape
        flags = [a if a.shape == shape else np.zeros(shape, np.bool_) for a in scratch[:4]]
        notional = self.strategy.notional  # type: ignore[union-attr]  # a CompiledStrategy here
        return SignalRows(*flags, *scratch[4:8], warmup=warmup, size_is_notional=notional)

    def _scratch(self) -> Any:
        """Return room for the signals of one candidate; a strategy without shorts needs none for them."""
        kernel, (n_symbols, n_bars) = self._kernel, self._rows.close.shape
        short = n_bars if kernel.HAS_SHORT or n_symbols > 1 else 1
        flags = [np.zeros((n_symbols, n), np.bool_) for n in (n_bars, n_bars, short, short)]
        levels = [np.empty((n_symbols, n_bars if mask else 1)) for mask in kernel.ORDER_MASKS]
        return kernel.Scratch(*flags, *levels, np.empty(kernel.TALLY))

    # --- vectorised -----------------------------------------------------------------------------------------

    def _run_vectorised(
        self, points: FloatArray, values: FloatArray, blocks: FloatArray, errors: dict[int, str]
    ) -> None:
        """Compute signals chunk by chunk while the kernel works on the chunk before."""
        rows_a_chunk = max(1, SIGNAL_BYTES // (4 * self.bars.close.size))
        dicts = self.space.to_dicts(points)
        with ThreadPoolExecutor(self.threads) as pool:
            running: list[Future[None]] = []
            for first in range(0, len(points), rows_a_chunk):
                plans: dict[int, SignalRows] = {}
                for i in range(first, min(first + rows_a_chunk, len(points))):
                    try:
                        plans[i] = self._vectorised_signals(dicts[i])
                    except Exception as error:
                        errors[i] = str(error)
                for future in running:
                    future.result()
                running = [pool.submit(self._simulate, part, values, blocks) for part in _split(plans, self.threads)]
            for future in running:
                future.result()

    def _vectorised_signals(self, params: Mapping[str, Any]) -> SignalRows:
        template = self._template
        assert template is not None
        template._bind(params)
        try:
            signals = template.signals(self.bars)
            warmup = int(template.warmup(Parameters({n: params.get(n) for n in self.space.names})))
            return signal_rows(signals, self.bars, warmup)
        except StrategyOptimizerError as error:
            raise StrategyError(f"{self.strategy.label()}: {error}") from error
        except Exception as error:
            raise StrategyError(
                f"{self.strategy.label()} raised {type(error).__name__}: {error}{_where(error)}"
            ) from error

    def _simulate(self, plans: Mapping[int, SignalRows], values: FloatArray, blocks: FloatArray) -> None:
        """Run the kernel over candidates whose order values have the same form."""
        for group in _same_form(plans):
            rows = list(group)
            flags = [np.stack([getattr(p, name) for p in group.values()]) for name in _FLAGS]
            levels = [np.stack(column) for column in zip(*(p.levels for p in group.values()), strict=True)]
            masks = level_masks(levels)
            warmups = np.array([p.warmup for p in group.values()], dtype=np.int64)
            account = self._account(next(iter(group.values())).size_is_notional)
            tally = np.empty(self._kernel.TALLY)
            out, sums = np.empty((len(rows), len(METRICS))), np.empty((len(rows), self.rules.n_blocks, 3))
            if self.bars.n_symbols == 1:
                flags, levels = [f[:, 0] for f in flags], [x[:, 0] for x in levels]
                self._kernel.run_signals(
                    self._symbol_arrays(), self._extremes(), *flags, warmups, *levels, masks, account, tally, out, sums
                )
            else:
                self._kernel.run_portfolio_signals(
                    self._bar_arrays(), *flags, warmups, *levels, masks, account, tally, out, sums
                )
            values[rows], blocks[rows] = out, sums

    # --- arrays for the kernel ------------------------------------------------------------------------------

    def _account(self, size_is_notional: bool) -> Any:
        return self._kernel.Account(*account_values(self.rules, self.bars, size_is_notional))

    def _bar_arrays(self) -> Any:
        return kernel_bars(self._kernel, self._rows)

    def _symbol_arrays(self) -> Any:
        return symbol_bars(self._kernel, self._rows)

    def _extremes(self) -> Any:
        if self._group_extremes is None:
            self._group_extremes = self._kernel.group_extremes(self._symbol_arrays())
        return self._group_extremes


_FLAGS = ("entries", "exits", "short_entries", "short_exits")


def kernel_bars(kernel: Any, rows: BarRows) -> Any:
    """Return the prices as the kernel's named tuple."""
    return kernel.BarArrays(rows.open, rows.high, rows.low, rows.close, rows.volume)


def symbol_bars(kernel: Any, rows: BarRows) -> Any:
    """Return the prices of the only symbol as the kernel's named tuple."""
    return kernel.BarArrays(*(row[0] for row in (rows.open, rows.high, rows.low, rows.close, rows.volume)))


def available_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def chunks(n: int, threads: int) -> list[slice]:
    """Cut n candidates into parts that keep the threads evenly busy; one part when there are few."""
    size = max(16, -(-n // (threads * 4)))
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def _split(plans: Mapping[int, SignalRows], parts: int) -> Iterator[dict[int, SignalRows]]:
    keys = list(plans)
    size = max(1, -(-len(keys) // parts))
    for first in range(0, len(keys), size):
        yield {k: plans[k] for k in keys[first : first + size]}


def _same_form(plans: Mapping[int, SignalRows]) -> list[dict[int, SignalRows]]:
    """Group candidates whose order values are all for one bar, or all for every bar."""
    groups: dict[tuple[Any, ...], dict[int, SignalRows]] = {}
    for i, plan in plans.items():
        form = (plan.size_is_notional, *(level.shape for level in plan.levels))
        groups.setdefault(form, {})[i] = plan
    return list(groups.values())


def _where(error: BaseException) -> str:
    """Return the place in the user's file where an exception was raised."""
    trace = error.__traceback__
    place = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "strategy_optimizer/backtest" not in code.co_filename.replace("\\", "/"):
            place = f" ({code.co_filename}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return place


def _explain_compilation(strategy: Any, error: BaseException) -> str:
    """Return one readable message for what Numba says over many lines."""
    text = str(error)
    name = strategy.label()
    for field in ("short_entries", "short_exits"):
        if f"'{field}'" in text and not strategy.short:
            return f"{name} writes out.{field}, but the class does not say so: add short = True"
    for field in ("size", "stop_loss", "take_profit", "trailing_stop"):
        if f"Unknown attribute '{field}'" in text:
            return f"{name} writes out.{field}, but the class does not say so: add per_bar = ('{field}',)"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    useful = [line for line in lines if line.startswith(("File ", "Unknown attribute", "NameError", "No implementation"))]
    detail = "; ".join(dict.fromkeys(useful or lines[:2]))
    return f"{name}: signals() cannot be compiled: {detail[:600]}"


