"""Several metrics at once: the search finds the trade-offs between them, and one of these is chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.errors import ObjectiveError, nearest_name
from strategy_optimizer.objective.base import FloatArray, Objective
from strategy_optimizer.objective.directions import check_metric, natural_direction
from strategy_optimizer.objective.outcome import OutcomeConstraint
from strategy_optimizer.optimizer.checks import signs_of
from strategy_optimizer.optimizer.pareto import closest_to, knee_point

DIRECTIONS = ("maximize", "minimize")


class ParetoObjective(Objective):
    """Two metrics or more, none of which is given up for another.

    Parameters
    ----------
    metrics : iterable of str
        Names of `METRICS`, each in its natural direction (`max_drawdown` is minimized), or with another:
        ``"exposure:minimize"``.
    reference : mapping of str to float, optional
        A wanted value of each metric. The point of the front that comes closest to all of them, or goes
        furthest beyond, is chosen. By default the knee is: where gaining more of one metric starts to cost
        most of the others.
    constraints : iterable of str
        Outcome constraints such as ``"trades >= 30"``. A candidate that violates one is never on the front.
    names : tuple of str
        All metrics that the engine gives; those of our own by default.

    Examples
    --------
    >>> objective = ParetoObjective(["sharpe_ratio", "max_drawdown"])
    >>> str(objective)
    'maximize sharpe_ratio, minimize max_drawdown'
    >>> objective.score({"sharpe_ratio": 1.0, "max_drawdown": 0.25})
    (1.0, 0.25)
    >>> front = np.array([[1.0, 0.30], [0.9, 0.12], [0.3, 0.10]])
    >>> objective.choose(front)
    1
    >>> ParetoObjective(objective.metrics, reference={"sharpe_ratio": 1.0, "max_drawdown": 0.3}).choose(front)
    0
    """

    def __init__(
        self,
        metrics: Iterable[str],
        *,
        reference: Mapping[str, float] | None = None,
        constraints: Iterable[str | OutcomeConstraint] = (),
        names: tuple[str, ...] = METRICS,
    ) -> None:
        directed = _directed(metrics, names)
        super().__init__(tuple(directed), constraints, names)
        self.directions = tuple(directed.values())
        self.reference = None if reference is None else _checked_reference(reference, self.metrics)
        self._columns = [self._column[name] for name in self.metrics]
        self._signs = signs_of(self.directions)

    def with_constraints(self, more: Iterable[str | OutcomeConstraint]) -> ParetoObjective:
        """Return the objective with further outcome constraints."""
        return self._with(self.reference, [*self.constraints, *more])

    def with_reference(self, reference: Mapping[str, float] | None) -> ParetoObjective:
        """Return the objective with another reference point."""
        return self._with(reference, self.constraints)

    def _with(
        self, reference: Mapping[str, float] | None, constraints: Iterable[str | OutcomeConstraint]
    ) -> ParetoObjective:
        return ParetoObjective(self._texts(), reference=reference, constraints=constraints, names=self.names)

    # -- scores ----------------------------------------------------------------------------------------------

    def score(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """Return the metrics of the objective, in its order; all NaN when the trial failed.

        It fails when it made no trade, or when one of them is not finite.
        """
        return tuple(self._score(metrics).tolist())

    def composite(self, metrics: Mapping[str, float]) -> float:
        """Return NaN: several metrics have no one score."""
        return math.nan

    def _scores(self, values: FloatArray) -> FloatArray:
        return values[:, self._columns]

    def gains(self, values: FloatArray) -> FloatArray:
        """Return the scores, larger is better, (n, m), of metrics, (n, len(names))."""
        return self._scores(values) * self._signs

    def raw(self, gains: FloatArray) -> FloatArray:
        """Return the metrics themselves, (n, m), of `gains`."""
        return gains * self._signs

    def choose(self, scores: FloatArray) -> int:
        """Return the index of the point of a front, (n, m) raw scores, n >= 1, that is taken.

        The one closest to the reference point, else the knee.
        """
        if self.reference is None:
            return knee_point(scores * self._signs)
        wanted = np.array([self.reference[name] for name in self.metrics])
        return closest_to(scores * self._signs, wanted * self._signs)

    # -- forms -----------------------------------------------------------------------------------------------

    def _texts(self) -> list[str]:
        return [f"{name}:{direction}" for name, direction in zip(self.metrics, self.directions, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; the metrics are a list, because their order is part of the search."""
        data: dict[str, Any] = {"type": "pareto", "metrics": self._texts()}
        if self.constraints:
            data["constraints"] = [str(c) for c in self.constraints]
        if self.reference is not None:
            data["reference"] = dict(self.reference)
        return data

    def __str__(self) -> str:
        pairs = zip(self.metrics, self.directions, strict=True)
        return ", ".join(f"{direction} {name}" for name, direction in pairs)

    def __repr__(self) -> str:
        constraints = f", constraints={[str(c) for c in self.constraints]}" if self.constraints else ""
        reference = f", reference={self.reference}" if self.reference is not None else ""
        return f"ParetoObjective({self._texts()}{reference}{constraints})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ParetoObjective):
            return NotImplemented
        return self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((tuple(self._texts()), self.constraints))


def _directed(metrics: Iterable[str], names: tuple[str, ...]) -> dict[str, str]:
    """Return the direction of each metric, in their order."""
    if isinstance(metrics, str):
        raise ObjectiveError(f"the metrics are the text {metrics!r}; expected a list, such as [{metrics!r}]")
    directed: dict[str, str] = {}
    for text in metrics:
        name, direction = _name_and_direction(text, names)
        if name in directed:
            raise ObjectiveError(f"the objective names {name} twice; give each metric once")
        directed[name] = direction
    if len(directed) < 2:
        found = f"found {', '.join(directed) or 'none'}"
        raise ObjectiveError(
            f"a Pareto search needs two metrics or more, {found}; one metric is written as a name alone, "
            "such as 'sharpe_ratio'"
        )
    return directed


def _name_and_direction(text: Any, names: tuple[str, ...]) -> tuple[str, str]:
    if not isinstance(text, str):
        raise ObjectiveError(f"the objective has {text!r} among its metrics; expected a metric's name")
    name, colon, direction = (part.strip() for part in text.partition(":"))
    natural = natural_direction(check_metric(name, names))
    if not colon:
        return name, natural
    if direction not in DIRECTIONS:
        raise ObjectiveError(
            f"the direction of {name} is {direction!r}; expected maximize or minimize, or nothing, which is "
            f"{natural}{nearest_name(direction, DIRECTIONS)}"
        )
    return name, direction


def _checked_reference(reference: Mapping[str, float], metrics: tuple[str, ...]) -> dict[str, float]:
    wanted = f"expected a wanted value of each metric, {', '.join(metrics)}"
    if not isinstance(reference, Mapping):
        raise ObjectiveError(f"the reference point is {reference!r}; {wanted}")
    for name in reference:
        if name not in metrics:
            hint = nearest_name(str(name), metrics)
            raise ObjectiveError(f"the reference point has {name!r}, which is no objective{hint}; {wanted}")
    missing = next((name for name in metrics if name not in reference), None)
    if missing is not None:
        raise ObjectiveError(f"the reference point has no {missing}; {wanted}")
    return {name: _finite(name, reference[name]) for name in metrics}


def _finite(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ObjectiveError(f"the reference point's {name} is {value!r}; expected a number")
    return float(value)
