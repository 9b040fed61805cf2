"""Tests the choices of a walk-forward and puts the result together.

References
----------
.. [1] Pardo (2008). The evaluation and optimization of trading strategies, 2nd ed. Wiley. (chapter 11, walk-forward
   efficiency)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from strategy_optimizer.backtest import BacktestResult, Rules, run_backtest
from strategy_optimizer.errors import SpaceError, StrategyError
from strategy_optimizer.market import Bars
from strategy_optimizer.market.moments import YEAR, moment_text
from strategy_optimizer.splits import Window
from strategy_optimizer.tasks import OptimizationTask
from strategy_optimizer.tasks.result_aggregator import buy_and_hold, rules_json
from strategy_optimizer.validation.statistics import NotEnough
from strategy_optimizer.validation.statistics.not_enough import no_gain
from strategy_optimizer.validation.walkforward.choices import Choice
from strategy_optimizer.validation.walkforward.lengths import Lengths, stitched_parts
from strategy_optimizer.validation.walkforward.notes import write_notes
from strategy_optimizer.validation.walkforward.result import Choosing, WalkForward, WindowResult
from strategy_optimizer.validation.walkforward.stability import parameter_stability
from strategy_optimizer.validation.walkforward.track_record import (
    TrackRecord,
    adjoining,
    flat,
    record_of,
    run_part,
    stitch,
)


def assemble(
    task: OptimizationTask,
    bars: Bars,
    lengths: Lengths,
    windows: Sequence[Window],
    choices: Mapping[range, Choice],
    *,
    choose: Choosing,
    planned: int,
    seconds: float,
) -> WalkForward:
    """Test the choices and return what came of them."""
    rules, parts = replace(task.rules, window=None), stitched_parts(windows)
    tested = [
        _test(task, bars, window, choices[window.train], part)
        for window, part in zip(windows, parts, strict=True)
    ]
    results = [
        _window_result(k, bars, rules, window, part, choices[window.train], outcome)
        for k, (window, part, outcome) in enumerate(zip(windows, parts, tested, strict=True), 1)
    ]
    chosen = stitch([outcome.stitched for outcome in tested], parts, bars, rules)
    defaults = task.strategy.space().defaults()
    found = WalkForward(
        strategy_name=task.strategy.label(),
        strategy_digest=task.strategy.digest(),
        data_name=bars.name,
        data_digest=bars.digest,
        dates=_dates(bars, range(parts[0].start, parts[-1].stop)),
        lengths=lengths,
        windows=tuple(results),
        choose=choose,
        planned=planned,
        out_of_sample=chosen,
        defaults=_record_of_defaults(task, defaults, parts, bars, rules),
        buy_and_hold=record_of(buy_and_hold, adjoining(parts), bars, rules),
        efficiency=_overall_efficiency(chosen, results, bars),
        stability=parameter_stability(task.space, [result.parameters for result in results]),
        default_parameters=defaults,
        optimizer={"name": task.settings.optimizer, "budget": task.settings.budget.evaluations},
        objective=task.objective.to_json() | {"text": str(task.objective)},
        costs=asdict(rules.costs),
        rules=rules_json(rules),
        seed=task.settings.seed,
        seconds=seconds,
    )
    return replace(found, notes=write_notes(found, bars.n_bars))


# -- one test ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Outcome:
    """The backtests of one window's choice: on all test bars, and on those that are stitched."""

    test: BacktestResult
    stitched: BacktestResult
    reason: str


def _test(task: OptimizationTask, bars: Bars, window: Window, choice: Choice, part: range) -> _Outcome:
    """Trade a choice on the test bars; nothing chosen, and parameters that fail there, are cash."""
    rules = replace(task.rules, window=None)

    def trade(known: Bars, within: Rules) -> BacktestResult:
        return run_backtest(task.bound_strategy, choice.parameters or {}, known, within)

    backtest, reason = (flat, choice.reason) if choice.parameters is None else (trade, "")
    try:
        test = run_part(backtest, bars, rules, window.test)
    except StrategyError as error:
        backtest, reason = flat, f"fails on the test bars: {error}"
        test = run_part(flat, bars, rules, window.test)
    return _Outcome(test, test if part == window.test else run_part(backtest, bars, rules, part), reason)


def _window_result(
    number: int,
    bars: Bars,
    rules: Rules,
    window: Window,
    part: range,
    choice: Choice,
    outcome: _Outcome,
) -> WindowResult:
    return WindowResult(
        number=number,
        train=window.train,
        test=window.test,
        stitched=part,
        train_dates=_dates(bars, window.train),
        test_dates=_dates(bars, window.test),
        seed=choice.seed,
        trials=choice.trials,
        parameters=choice.parameters,
        score=choice.score,
        in_sample=choice.in_sample,
        out_of_sample=outcome.test.metrics,
        efficiency=_efficiency(
            outcome.test.metrics["annual_return"], (choice.in_sample or {}).get("annual_return")
        ),
        closing_cost=_closing_cost(outcome.stitched, bars, part, rules),
        reason=outcome.reason,
    )


def _closing_cost(run: BacktestResult, bars: Bars, part: range, rules: Rules) -> float:
    """Return what closing the open positions at the last close would cost, as a fraction of equity."""
    closes = bars.close[part.stop - 1].reshape(-1)
    costs = rules.costs
    cash = sum(
        trade.size * float(closes[trade.symbol]) * (costs.commission + costs.slippage) + costs.fixed_fee
        for trade in run.trades
        if trade.exit_bar is None
    )
    return cash / float(run.equity[-1]) if cash and run.equity[-1] > 0 else 0.0


def _dates(bars: Bars, part: range) -> tuple[str, str]:
    return moment_text(int(bars.timestamp[part.start])), moment_text(int(bars.timestamp[part.stop - 1]))


def _record_of_defaults(
    task: OptimizationTask, params: Mapping[str, Any], parts: Sequence[range], bars: Bars, rules: Rules
) -> TrackRecord | None:
    """Return the track record of the defaults, flat at each start as the choices are; None where they fail."""

    def trade(known: Bars, within: Rules) -> BacktestResult:
        return run_backtest(task.strategy, params, known, within)

    try:
        return record_of(trade, parts, bars, rules)
    except (SpaceError, StrategyError):
        return None


# -- efficiency ----------------------------------------------------------------------------------------------


def _efficiency(out_of_sample: float, in_sample: float | None) -> float | NotEnough:
    """Return the ratio of annual returns; [1]_. Where the search lost money the sign of a ratio misleads."""
    if in_sample is None or not in_sample > 0.0:
        return no_gain("a year in sample", math.nan if in_sample is None else in_sample)
    if math.isnan(out_of_sample):
        return NotEnough("bars out of sample", 1, 2)
    return out_of_sample / in_sample


def _overall_efficiency(
    record: TrackRecord, results: Sequence[WindowResult], bars: Bars
) -> float | NotEnough:
    """Return the efficiency of the whole: against the training windows' returns compounded over their years."""
    growth = years = 0.0
    for result in results:
        if result.in_sample is not None:
            growth += math.log(max(1.0 + result.in_sample["total_return"], 1e-300))
            first, last = bars.timestamp[[result.train.start, result.train.stop - 1]].tolist()
            years += (last - first) / YEAR
    return _efficiency(record.metrics["annual_return"], math.expm1(growth / years) if years else None)
