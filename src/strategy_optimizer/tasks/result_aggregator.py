"""Puts a result together: the winner re-run and checked, and beside it the numbers it has to beat."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from strategy_optimizer.backtest import (
    METRICS,
    BacktestResult,
    PopulationEvaluator,
    Rules,
    run_backtest,
    simulate_signals,
)
from strategy_optimizer.errors import SpaceError, StrategyError
from strategy_optimizer.market import Bars
from strategy_optimizer.objective import ParetoObjective
from strategy_optimizer.optimizer.checks import signs_of
from strategy_optimizer.records import Trial
from strategy_optimizer.tasks.division import Window
from strategy_optimizer.tasks.ended_search import (
    EndedSearch,
    counts_of,
    progress_of,
    shared_fields,
    winner,
)
from strategy_optimizer.tasks.notes import FrontRivals, write_notes
from strategy_optimizer.tasks.reproduction import reproduce
from strategy_optimizer.tasks.result import FRONT_POINTS, DataInfo, FrontPoint, Performance, Result
from strategy_optimizer.tasks.strategy_binding import StrategyClass
from strategy_optimizer.version import __version__


@dataclass(frozen=True, kw_only=True)
class FinishedSearch(EndedSearch):
    """All that the result of a search on our own engine is made from."""

    strategy: StrategyClass
    bound_strategy: StrategyClass
    bars: Bars
    rules: Rules
    held_out: Window | None

    @property
    def in_sample(self) -> Window:
        """The bars that were searched."""
        return self.rules.window_of(self.bars)


def aggregate(search: FinishedSearch) -> Result:
    """Return the result of a search.

    Raises
    ------
    TaskError
        No trial could win.
    ReproductionError
        The reference simulator does not confirm the winner.
    """
    trial = winner(search.history, search.stop_reason)
    proof = _proof(search, trial)
    best = performance_of(search, search.bound_strategy, trial.parameters)
    best = replace(best, in_sample=trial.metrics | {"composite_score": trial.score})
    default_parameters = search.strategy.space().defaults()
    defaults = _default_performance(search, default_parameters)
    market = Performance(*_both(search, lambda rules: buy_and_hold(search.bars, rules).metrics))
    counts = counts_of(search.history, search.n_resumed)
    front = _front(search)
    notes = write_notes(
        search.space,
        trial.parameters,
        best,
        defaults,
        market,
        counts,
        search.stop_reason,
        _rivals(search, front, defaults),
        progress_of(search.optimizer),
        search.why_converged,
    )
    return Result(
        **shared_fields(search, trial, best, defaults, counts, notes),
        strategy_name=search.strategy.label(),
        strategy_digest=search.strategy.digest(),
        default_parameters=default_parameters,
        buy_and_hold=market,
        data=_data_info(search),
        costs=asdict(search.rules.costs),
        rules=rules_json(search.rules),
        versions=_versions(),
        reproduced_by=proof,
        pareto_front=front,
    )


def rules_json(rules: Rules) -> dict[str, Any]:
    """Return the rules of the backtests besides costs and window."""
    names = ("cash", "fill", "reentry", "n_blocks", "periods_per_year")
    return {name: getattr(rules, name) for name in names}


def _proof(search: FinishedSearch, winner: Trial) -> str:
    """Run the winner again, and the best trial in each objective when there are several."""
    history = search.history
    arguments = search.bound_strategy, search.bars, search.rules, search.objective
    proof = reproduce(winner, *arguments)
    if history.front is None:
        return proof
    for row in history.front.ends:
        if row + 1 != winner.number:
            reproduce(history[row], *arguments)
    return f"{proof}, also for the best in each objective"


# -- the Pareto front -------------------------------------------------------------------------------------


def _front(search: FinishedSearch) -> tuple[FrontPoint, ...]:
    """Return the points of the front with their metrics on both parts of the data."""
    history = search.history
    if history.front is None:
        return ()
    trials = [history[row] for row in history.front.selection(FRONT_POINTS).tolist()]
    held_out = _held_out_metrics(search, [trial.parameters for trial in trials])
    return tuple(
        FrontPoint(
            trial=trial.number,
            parameters=trial.parameters,
            objectives={name: trial.metrics[name] for name in search.objective.metrics},
            performance=Performance(
                _scored(search, trial.metrics), None if metrics is None else _scored(search, metrics)
            ),
        )
        for trial, metrics in zip(trials, held_out, strict=True)
    )


def _held_out_metrics(
    search: FinishedSearch, candidates: Sequence[Mapping[str, Any]]
) -> list[dict[str, float]] | list[None]:
    if search.held_out is None:
        return [None] * len(candidates)
    rules = replace(search.rules, window=search.held_out)
    table = PopulationEvaluator(search.bound_strategy, search.bars, rules).evaluate(candidates)
    return [dict(zip(METRICS, row, strict=True)) for row in table.values.tolist()]


def _rivals(
    search: FinishedSearch, front: tuple[FrontPoint, ...], defaults: Performance
) -> FrontRivals | None:
    """Return the front beside the default parameters; None with one objective."""
    objective = search.objective
    if not isinstance(objective, ParetoObjective):
        return None
    signs = signs_of(objective.directions)

    def gains(*all_metrics: Mapping[str, float] | None) -> Any:
        """Return (n, m) objectives, larger is better; None when nothing was held out."""
        if any(metrics is None for metrics in all_metrics):
            return None
        return np.array([objective.score(metrics or {}) for metrics in all_metrics]) * signs

    held_out = gains(*(point.performance.held_out for point in front))
    defaults_held_out = gains(defaults.held_out)
    return FrontRivals(
        metrics=objective.metrics,
        in_sample=gains(*(point.performance.in_sample for point in front)),
        defaults_in_sample=gains(defaults.in_sample)[0],
        held_out=held_out,
        defaults_held_out=None if defaults_held_out is None else defaults_held_out[0],
        chosen=[point.trial - 1 for point in front].index(search.history.best or 0),
    )


# -- performance -----------------------------------------------------------------------------------------


def _both(search: FinishedSearch, run: Any) -> tuple[dict[str, float], dict[str, float] | None]:
    """Return metrics and score of a run on the in-sample and on the held-out bars."""
    held_out = None if search.held_out is None else run(replace(search.rules, window=search.held_out))
    in_sample = run(search.rules)
    return _scored(search, in_sample), None if held_out is None else _scored(search, held_out)


def _scored(search: FinishedSearch, metrics: Mapping[str, float]) -> dict[str, float]:
    return {**metrics, "composite_score": search.objective.composite(metrics)}


def performance_of(search: FinishedSearch, strategy: StrategyClass, params: Mapping[str, Any]) -> Performance:
    """Return the metrics of parameters on the searched and on the held-out bars."""

    def run(rules: Rules) -> dict[str, float]:
        return run_backtest(strategy, params, search.bars, rules).metrics

    return Performance(*_both(search, run))


def _default_performance(search: FinishedSearch, params: Mapping[str, Any]) -> Performance:
    """Return the performance of the strategy's own defaults: NaN where they fail, which the search may exclude."""
    try:
        return performance_of(search, search.strategy, params)
    except (SpaceError, StrategyError):
        return Performance(*_both(search, lambda rules: dict.fromkeys(METRICS, math.nan)))


def buy_and_hold(bars: Bars, rules: Rules) -> BacktestResult:
    """Return the backtest of being long from the first bar to the last, symbols in equal parts."""
    always = np.ones(bars.close.shape, np.bool_)
    return simulate_signals(
        bars,
        always,
        ~always,
        size=1.0 / bars.n_symbols,
        costs=rules.costs,
        fill=rules.fill,
        cash=rules.cash,
        window=rules.window,
        n_blocks=rules.n_blocks,
        periods_per_year=rules.periods_per_year,
    )


# -- facts -----------------------------------------------------------------------------------------------


def _data_info(search: FinishedSearch) -> DataInfo:
    bars = search.bars
    first, last = _dates(bars, (0, bars.n_bars))
    return DataInfo(
        name=bars.name,
        digest=bars.digest,
        bars=bars.n_bars,
        symbols=bars.symbols,
        first=first,
        last=last,
        in_sample=search.in_sample,
        held_out=search.held_out,
        in_sample_dates=_dates(bars, search.in_sample),
        held_out_dates=None if search.held_out is None else _dates(bars, search.held_out),
    )


def _dates(bars: Bars, window: Window) -> tuple[str, str]:
    """Return the first and last moment of a window: dates for daily bars, with the time otherwise."""
    ends = bars.timestamp[[window[0], window[1] - 1]].view("M8[ns]")
    whole_days = bool((bars.timestamp[: window[1]] % 86_400_000_000_000 == 0).all())
    first, last = np.datetime_as_string(ends, unit="D" if whole_days else "s").tolist()
    return first, last


def _versions() -> dict[str, str]:
    import numba  # loaded already by the kernel

    return {
        "strategy_optimizer": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
    }
