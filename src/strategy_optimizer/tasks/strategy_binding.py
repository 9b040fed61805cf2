"""Lets a strategy be searched in another space than the one it declares: other bounds, fewer choices.

The engine reads points in the columns of the strategy's own space and knows a choice by its index there.
A task's space has the same columns or some of them, and may have wider bounds, other conditions, or fewer
choices in another order. A column that it does not have takes the strategy's default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest import CompiledStrategy, MetricsTable, Strategy
from strategy_optimizer.errors import SpaceError, nearest_name
from strategy_optimizer.space import Categorical, Parameter, ParameterSpace
from strategy_optimizer.tasks.evaluator import Evaluator

FloatArray = NDArray[np.float64]
StrategyClass: TypeAlias = type[Strategy] | type[CompiledStrategy]
Translation: TypeAlias = Callable[[FloatArray], FloatArray]


def bind_strategy(strategy: StrategyClass, space: ParameterSpace) -> StrategyClass:
    """Return the strategy with the numeric bounds of `space`; the same class when nothing differs.

    Raises
    ------
    SpaceError
        When the space has parameters that the strategy has not, of another kind, or in another order.
    """
    own = strategy.space()
    _check_parameters(own, space)
    if dict(own.parameters) == dict(space.parameters):
        return strategy
    parameters: dict[str, Parameter] = {
        name: mine if isinstance(mine, Categorical) else space.parameters.get(name, mine)
        for name, mine in own.parameters.items()
    }
    members = {"parameters": parameters, "name": strategy.label(), "__module__": strategy.__module__}
    return type(strategy.__name__, (strategy,), members)


def _check_parameters(own: ParameterSpace, space: ParameterSpace) -> None:
    if not space.names:
        raise SpaceError("the space has no parameter to search")
    for name in space.names:
        mine, theirs = own.parameters.get(name), space.parameters[name]
        if mine is not None and mine.kind != theirs.kind:
            raise SpaceError(f"parameter '{name}' is {mine.kind}, found {theirs.kind}", parameter=name)
    if space.names == tuple(name for name in own.names if name in space.names):
        return
    unknown = next((name for name in space.names if name not in own.names), None)
    if unknown is not None:
        hint = nearest_name(unknown, own.names)
        raise SpaceError(
            f"the strategy {own.name} has no parameter '{unknown}'{hint} (it has {', '.join(own.names)})",
            parameter=unknown,
        )
    raise SpaceError(
        f"the space has the parameters {', '.join(space.names)}; expected those of the strategy {own.name} "
        f"in its order: {', '.join(own.names)} (strategy.space().override(...) makes such a space)"
    )


class BoundEvaluator:
    """Evaluates points of a task's space with an engine that reads points of the strategy's space."""

    def __init__(self, evaluator: Evaluator, translate: Translation) -> None:
        self._evaluator = evaluator
        self._translate = translate

    def evaluate(self, points: FloatArray, /) -> MetricsTable:
        """Return the metrics of the points, (n, d), in their order."""
        return self._evaluator.evaluate(self._translate(points))


def bind_evaluator(evaluator: Evaluator, own: ParameterSpace, space: ParameterSpace) -> Evaluator:
    """Return an evaluator of points of `space`, given one of points of `own`, the strategy's space."""
    translate = translation(own, space)
    return evaluator if translate is None else BoundEvaluator(evaluator, translate)


def translation(own: ParameterSpace, space: ParameterSpace) -> Translation | None:
    """Return what turns points of `space` into points of `own`; None where they are the same."""
    columns = [own.names.index(name) for name in space.names]
    pairs = [(own.parameters[name], space.parameters[name]) for name in space.names]
    same_activity = len(columns) == own.n_dims and all(
        mine.condition == theirs.condition for mine, theirs in pairs
    )
    tables = {
        column: _index_table(mine, theirs)
        for column, (mine, theirs) in zip(columns, pairs, strict=True)
        if isinstance(mine, Categorical)
        and isinstance(theirs, Categorical)
        and mine.choices != theirs.choices
    }
    if same_activity and not tables:
        return None

    def translate(points: FloatArray) -> FloatArray:
        translated = np.full((len(points), own.n_dims), np.nan)
        translated[:, columns] = points
        for column, table in tables.items():
            active = ~np.isnan(translated[:, column])
            translated[active, column] = table[translated[active, column].astype(np.intp)]
        if same_activity:
            return translated
        return own.deactivate(np.where(np.isnan(translated), own.default_values, translated))

    return translate


def _index_table(mine: Categorical, theirs: Categorical) -> FloatArray:
    """Return the strategy's index of each choice of the task's space."""
    return np.array([mine.encode(choice) for choice in theirs.choices])
