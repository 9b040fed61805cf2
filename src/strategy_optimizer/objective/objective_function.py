"""The objective: turns the metrics of backtests into scores, larger is better, NaN where a trial failed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.errors import ObjectiveError
from strategy_optimizer.objective.base import FloatArray, Objective
from strategy_optimizer.objective.directions import check_metric, contribution, describe
from strategy_optimizer.objective.outcome import OutcomeConstraint

Backtest: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, float]]

DEFAULT_WEIGHTS: Mapping[str, float] = {
    "sharpe_ratio": 0.4,
    "total_return": 0.3,
    "max_drawdown": 0.2,
    "win_rate": 0.1,
}


class ObjectiveFunction(Objective):
    """A weighted sum of metrics, with constraints on the outcome.

    Parameters
    ----------
    weights : mapping of str to float, or str, optional
        Weights, not negative, over the names of `METRICS`; or the name of a single metric. By default
        ``0.4 sharpe_ratio + 0.3 total_return + 0.2 (1 - max_drawdown) + 0.1 win_rate``. Metrics where smaller
        is better are turned round: `max_drawdown` enters as ``1 - max_drawdown``, `volatility`,
        `max_drawdown_bars`, `turnover`, `costs_paid` and `kurtosis` with a minus.
    backtest : callable, optional
        Takes parameters and returns metrics; only `evaluate` needs it.
    constraints : iterable of str
        Outcome constraints such as ``"trades >= 30"``. A candidate that violates one never wins over one that
        satisfies all.
    names : tuple of str
        All metrics that the engine gives; those of our own by default.

    Examples
    --------
    >>> objective = ObjectiveFunction({"sharpe_ratio": 0.5, "max_drawdown": 0.5})
    >>> objective.score({"sharpe_ratio": 1.0, "max_drawdown": 0.25})
    0.875
    >>> ObjectiveFunction("volatility").score({"volatility": 0.2, "trades": 12})
    -0.2
    >>> ObjectiveFunction("sharpe_ratio").score({"sharpe_ratio": 0.0, "trades": 0})
    nan
    """

    directions = ("maximize",)

    def __init__(
        self,
        weights: Mapping[str, float] | str | None = None,
        backtest: Backtest | None = None,
        *,
        constraints: Iterable[str | OutcomeConstraint] = (),
        names: tuple[str, ...] = METRICS,
    ) -> None:
        self.weights = _checked_weights(weights, names)
        self.backtest = backtest
        self._terms = [
            (names.index(name), name, weight) for name, weight in self.weights.items() if weight > 0
        ]
        super().__init__(tuple(name for _, name, _ in self._terms), constraints, names)

    def with_constraints(self, more: Iterable[str | OutcomeConstraint]) -> ObjectiveFunction:
        """Return the objective with further outcome constraints."""
        constraints = [*self.constraints, *more]
        return ObjectiveFunction(self.weights, self.backtest, constraints=constraints, names=self.names)

    # -- one candidate ---------------------------------------------------------------------------------------

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the score of one backtest.

        NaN when it made no trade, or when a metric of the objective is not finite. Outcome constraints do
        not enter the score.

        Raises
        ------
        ObjectiveError
            When a metric of the objective is missing.
        """
        return float(self._score(metrics))

    def composite(self, metrics: Mapping[str, float]) -> float:
        """Return `score`."""
        return self.score(metrics)

    def evaluate(self, params: Mapping[str, Any]) -> float:
        """Backtest one candidate and return its score."""
        if self.backtest is None:
            raise ObjectiveError(
                "evaluate needs a backtest; pass ObjectiveFunction(weights, backtest=function)"
            )
        return self.score(self.backtest(params))

    def _scores(self, values: FloatArray) -> FloatArray:
        """Add the terms one after the other: the result of a row does not depend on the other rows."""
        total = np.zeros(len(values))
        with np.errstate(invalid="ignore", over="ignore"):  # infinite and huge metrics: failed, with a reason
            for column, name, weight in self._terms:
                total += weight * contribution(name, values[:, column])
        return total

    # -- forms -----------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form: that of the task file, constraints only when there are some."""
        data: dict[str, Any] = {"type": "multi_objective", "weights": dict(self.weights)}
        if self.constraints:
            data["constraints"] = [str(c) for c in self.constraints]
        return data

    def __str__(self) -> str:
        if len(self._terms) == 1 and self._terms[0][2] == 1.0:
            return describe(self.metrics[0])
        return " + ".join(_term(weight, describe(name)) for _, name, weight in self._terms)

    def __repr__(self) -> str:
        constraints = f", constraints={[str(c) for c in self.constraints]}" if self.constraints else ""
        return f"ObjectiveFunction({dict(self.weights)}{constraints})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObjectiveFunction):
            return NotImplemented
        return self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((tuple(self.weights.items()), self.constraints))


def _checked_weights(weights: Mapping[str, float] | str | None, names: tuple[str, ...]) -> dict[str, float]:
    if weights is None:
        weights = DEFAULT_WEIGHTS
    if isinstance(weights, str):
        return {check_metric(weights, names): 1.0}
    if not isinstance(weights, Mapping):
        raise ObjectiveError(f"the weights are {weights!r}; expected a metric's name, or weights by metric")
    checked = {check_metric(name, names): _weight(name, value) for name, value in weights.items()}
    if not any(checked.values()):
        raise ObjectiveError(
            "the objective has no weight above 0; give at least one, such as {'sharpe_ratio': 1.0}"
        )
    return checked


def _weight(name: str, value: Any) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or value < 0
    ):
        raise ObjectiveError(
            f"the weight of {name} is {value!r}; expected a number from 0 up "
            "(metrics where smaller is better are turned round already)"
        )
    return float(value)


def _term(weight: float, text: str) -> str:
    return f"{weight:g} * ({text})" if " " in text or text.startswith("-") else f"{weight:g} * {text}"
