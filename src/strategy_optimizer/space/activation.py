"""Which parameters are active at a point: conditions, nested ones after what they depend on."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import SpaceError
from strategy_optimizer.space.evaluation import Rule
from strategy_optimizer.space.expressions import parse_expression
from strategy_optimizer.space.parameters import Parameter

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]


class Activation:
    """The conditions of a space, bound to its columns.

    A parameter is active where its condition holds and every parameter in the condition is active itself. A
    condition over an unknown name, over its own parameter, or in a cycle raises SpaceError.
    """

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        rules = {name: rule for name, p in parameters.items() if (rule := _rule(name, p, parameters))}
        columns = {name: column for column, name in enumerate(parameters)}
        self._rules = [(columns[name], rules[name]) for name in _ordered(rules)]

    def deactivate(self, dense: FloatArray) -> FloatArray:
        """Return a copy of `dense` (n, d) with NaN where a parameter is inactive."""
        return self.resolve(dense)[0]

    def resolve(self, dense: FloatArray) -> tuple[FloatArray, dict[int, BoolArray]]:
        """Return the deactivated copy, and for each conditional column where it is active."""
        points = np.array(dense)
        columns = points.T
        masks = {}
        for column, rule in self._rules:  # NaN of earlier ones is seen by later ones
            active = rule.holds(columns)
            for other in rule.columns:
                active = active & ~np.isnan(columns[other])
            columns[column][~active] = np.nan
            masks[column] = active
        return points, masks


def _rule(name: str, parameter: Parameter, parameters: Mapping[str, Parameter]) -> Rule | None:
    if parameter.condition is None:
        return None
    try:
        return Rule(parse_expression(parameter.condition, "condition"), parameters)
    except SpaceError as error:
        raise SpaceError(f"parameter '{name}': {error}", parameter=name) from None


def _ordered(rules: Mapping[str, Rule]) -> list[str]:
    """Return the conditional parameters, each after those its condition names."""
    graph = {name: [other for other in rule.names if other in rules] for name, rule in rules.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        cycle: list[str] = error.args[1][::-1]
        problem = f"the conditions form a cycle: {' -> '.join(cycle)}; a condition may not depend on itself"
        raise SpaceError(problem, parameter=cycle[0]) from None
