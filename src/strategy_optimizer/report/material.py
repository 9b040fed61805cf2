"""What a report needs beside the result to run backtests again: the strategy and the bars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from strategy_optimizer.backtest import BacktestResult, Costs, Rules, run_backtest
from strategy_optimizer.backtest.strategy import AnyStrategy, strategy_class
from strategy_optimizer.errors import StrategyOptimizerError, TaskError
from strategy_optimizer.market import Bars, load_bars
from strategy_optimizer.market.samples import SAMPLES
from strategy_optimizer.objective import Objective, parse_objective
from strategy_optimizer.strategies import get_strategy, list_strategies
from strategy_optimizer.tasks import Result
from strategy_optimizer.tasks.strategy_binding import StrategyClass, bind_strategy

Window = tuple[int, int]


@dataclass(frozen=True)
class Material:
    """The strategy and the bars of a result; their digests are those that it names.

    Attributes
    ----------
    strategy : strategy class
        With its own bounds, in which the default parameters lie.
    bound : strategy class
        With the bounds that were searched.
    bars : Bars
    rules : Rules
        Costs, fills and cash; its window is all bars.
    in_sample, held_out : (start, stop)
        Bars; the second is None where none were held out.
    """

    strategy: StrategyClass
    bound: StrategyClass
    bars: Bars
    rules: Rules
    in_sample: Window
    held_out: Window | None

    @property
    def searched(self) -> Rules:
        """The rules on the bars that were searched."""
        return replace(self.rules, window=self.in_sample)

    def run(self, params: Mapping[str, Any], window: Window, *, own: bool = False) -> BacktestResult:
        """Return a backtest; `own` takes the strategy's own bounds."""
        rules = replace(self.rules, window=window)
        return run_backtest(self.strategy if own else self.bound, params, self.bars, rules)


def find_material(
    result: Result, strategy: str | AnyStrategy | None = None, data: Any = None
) -> Material | str:
    """Return the strategy and the bars of a result, or a sentence on why they are not at hand.

    Parameters
    ----------
    result : Result
    strategy : str, strategy class or instance, optional
        As for `optimize`. By default the known strategy of that name.
    data : str, path, frame, dict or Bars, optional
        As for `optimize`; of other bars than the result's those of its period are taken. By default the sample of that
        name.

    Raises
    ------
    TaskError
        What was given is not what the result was made from.
    """
    found_strategy = _strategy(result, strategy)
    if isinstance(found_strategy, str):
        return found_strategy
    found_bars = _bars(result, data)
    if isinstance(found_bars, str):
        return found_bars
    return Material(
        found_strategy,
        bind_strategy(found_strategy, result.history.space),
        found_bars,
        Rules(costs=Costs(**result.costs), **result.rules),
        result.data.in_sample,
        result.data.held_out,
    )


def objective_of(result: Result) -> Objective:
    """Return the objective that a result was searched with."""
    return parse_objective({name: part for name, part in result.objective.items() if name != "text"})


def trial_seconds(result: Result) -> float:
    """Return what a trial of the search took, the median; 0 where that is not known."""
    seconds = result.history.seconds
    known = seconds[np.isfinite(seconds)]
    return float(np.median(known)) if len(known) else 0.0


def _strategy(result: Result, given: str | AnyStrategy | None) -> StrategyClass | str:
    name = result.strategy_name
    if given is None:
        # A name in a file must not run code from anywhere: only what is installed is loaded by name.
        if name not in list_strategies():
            return f"the strategy '{name}' is not known here by its name"
        found = get_strategy(name)
        same = found.digest() == result.strategy_digest
        return (
            found if same else f"the strategy '{name}' is not the one that was searched: its code has changed"
        )
    found = get_strategy(given) if isinstance(given, str) else strategy_class(given)
    if found.digest() != result.strategy_digest:
        raise TaskError(
            f"the strategy {found.label()} is not the one that the result was made with, '{name}': its code or "
            "parameters differ"
        )
    return found


def _bars(result: Result, given: Any) -> Bars | str:
    name, first, last = result.data.name, result.data.first, result.data.last
    if given is None:
        if name not in SAMPLES:
            return f"the data '{name}' are not known here by their name"
        try:
            found = load_bars(name, start=first, end=last)
        except StrategyOptimizerError as error:
            return f"the data '{name}' cannot be loaded: {error}"
        same = found.digest == result.data.digest
        return found if same else f"the data '{name}' are not those that were searched: their digest differs"
    found = load_bars(given)
    if found.digest != result.data.digest:
        found = found.between(first, last)
    if found.digest != result.data.digest:
        raise TaskError(
            f"the data {found.name} are not those that the result was made from, '{name}': "
            f"{found.n_bars:,} bars with the digest {found.digest[:12]}, expected {result.data.bars:,} with "
            f"{result.data.digest[:12]}"
        )
    return found
