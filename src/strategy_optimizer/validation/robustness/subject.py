"""What is examined: one candidate of a strategy on some bars under some rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest import BacktestResult, MetricsTable, PopulationEvaluator, Rules
from strategy_optimizer.backtest.plan import AccountValues, SignalRows, account_values
from strategy_optimizer.backtest.simulate import run_plan
from strategy_optimizer.backtest.strategy import AnyStrategy, strategy_class
from strategy_optimizer.market import Bars
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.space.checks import Value

if TYPE_CHECKING:
    from strategy_optimizer.tasks.strategy_binding import StrategyClass

FloatArray = NDArray[np.float64]
DEFAULT_RULES = Rules()


@dataclass(frozen=True, eq=False)
class Subject:
    """One candidate of a strategy on some bars under some rules, backtested once when first asked for.

    Parameters
    ----------
    strategy
        A strategy class or instance, vectorised or compiled.
    params : mapping
        The candidate; parameters left out take their defaults.
    bars : Bars
    rules : Rules
        Costs, fill, cash and window.
    space : ParameterSpace, optional
        The space that was searched, when it is not the strategy's own: with other bounds, fewer choices or fewer
        parameters. It says how far a parameter can be moved, and which ones are moved.
    threads : int, optional
        Cores to use; all by default. The result does not depend on it.

    Raises
    ------
    SpaceError
        When the candidate is no point of the space, or the space is none of this strategy.

    Examples
    --------
    >>> from strategy_optimizer import get_strategy, load_bars
    >>> subject = Subject(get_strategy("momentum"), {"lookback_period": 20}, load_bars("nasdaq"))
    >>> len(subject.result.trades) > 100
    True
    """

    strategy: AnyStrategy
    params: Mapping[str, Any]
    bars: Bars
    rules: Rules = DEFAULT_RULES
    _: KW_ONLY
    space: ParameterSpace | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "bars", self.rules.seen_of(self.bars))
        _ = self.point  # a wrong candidate is reported here

    @cached_property
    def searched(self) -> ParameterSpace:
        """The space in which parameters are moved."""
        return self.space if self.space is not None else strategy_class(self.strategy).space()

    @cached_property
    def bound(self) -> StrategyClass:
        """The strategy with the bounds of the searched space."""
        if self.space is None:
            return strategy_class(self.strategy)
        from strategy_optimizer.tasks.strategy_binding import bind_strategy  # loads every optimizer

        return bind_strategy(strategy_class(self.strategy), self.space)

    @cached_property
    def candidate(self) -> dict[str, Value]:
        """All active parameters of the strategy."""
        own = self.bound.space()
        defaults = {name: parameter.default_value for name, parameter in own.parameters.items()}
        return own.validate({**defaults, **self.params})

    @cached_property
    def point(self) -> FloatArray:
        """The candidate in the searched space, canonical, (d,)."""
        values = {name: self.candidate.get(name) for name in self.searched.names}
        point: FloatArray = self.searched.from_dicts([self.searched.validate(values)])[0]
        return point

    @cached_property
    def evaluator(self) -> PopulationEvaluator:
        """Evaluates other candidates on the same bars."""
        return PopulationEvaluator(self.bound, self.bars, self.rules, threads=self.threads)

    @cached_property
    def signals(self) -> SignalRows:
        """The candidate's signals, the same form for both styles of strategy."""
        return self.evaluator.signals(self.candidate)

    @cached_property
    def result(self) -> BacktestResult:
        """The candidate's backtest."""
        return run_plan(self.bars, self.signals, self.rules)

    @property
    def account(self) -> AccountValues:
        """The rules' scalars, with the years of the window and the bars a year."""
        return account_values(self.rules, self.bars, self.signals.size_is_notional)

    def on(self, bars: Bars, window: tuple[int, int] | None) -> MetricsTable:
        """Return the candidate's metrics on other bars, a table of one row."""
        rules = replace(self.rules, window=window)
        return PopulationEvaluator(self.bound, bars, rules, threads=1).evaluate([self.candidate])
