"""What the columns of stored trials mean, so that they can be read without the strategy that made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from strategy_optimizer.errors import SpaceError
from strategy_optimizer.objective import ParetoObjective, parse_objective
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks.history import TrialHistory


@dataclass(frozen=True)
class TrialLayout:
    """What the columns of trials mean.

    Attributes
    ----------
    space : ParameterSpace
        Without constraints in Python: these cannot be written.
    metrics : tuple of str
    objective : ParetoObjective or None
        Of a search with several objectives.
    """

    space: ParameterSpace
    metrics: tuple[str, ...]
    objective: ParetoObjective | None

    @classmethod
    def of(cls, history: TrialHistory) -> Self:
        """Return the layout of a history."""
        objective = None if history.front is None else history.front.objective
        return cls(history.space, tuple(history.metric_names), objective)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return what `to_json` gave."""
        metrics = tuple(data["metrics"])
        objective = None if data["objective"] is None else parse_objective(data["objective"], names=metrics)
        assert objective is None or isinstance(objective, ParetoObjective)
        return cls(ParameterSpace.from_json(data["space"]), metrics, objective)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "space": _space_json(self.space),
            "metrics": list(self.metrics),
            "objective": None if self.objective is None else self.objective.to_json(),
        }


def layout_of(data: Mapping[str, Any]) -> TrialLayout:
    """Return the layout that `TrialLayout.to_json` gave; the same one for equal values."""
    return _known(json.dumps(data))


@lru_cache(maxsize=64)
def _known(text: str) -> TrialLayout:
    return TrialLayout.from_json(json.loads(text))


def _space_json(space: ParameterSpace) -> dict[str, Any]:
    try:
        return space.to_json()
    except SpaceError:
        written = [constraint for constraint in space.constraints if isinstance(constraint, str)]
        entries = {name: parameter.to_json() for name, parameter in space.parameters.items()}
        return {"parameter_space": entries, "constraints": written}
