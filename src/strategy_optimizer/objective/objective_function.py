"""The objective: turns the metrics of backtests into scores, larger is better, NaN where a trial failed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.backtest.result import MetricsTable
from strategy_optimizer.errors import ObjectiveError
from strategy_optimizer.objective.directions import check_metric, contribution, describe
from strategy_optimizer.objective.outcome import OutcomeConstraint, parse_constraints

FloatArray = NDArray[np.float64]
Backtest: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, float]]

DEFAULT_WEIGHTS: Mapping[str, float] = {
    "sharpe_ratio": 0.4,
    "total_return": 0.3,
    "max_drawdown": 0.2,
    "win_rate": 0.1,
}
NO_TRADES = "no_trades"
_COLUMN = {name: i for i, name in enumerate(METRICS)}


@dataclass(frozen=True)
class Scores:
    """The scores of a population.

    Attributes
    ----------
    score : array, shape (n,)
        Larger is better; NaN where the trial failed.
    constraints : array, shape (n, k)
        Margins of the outcome constraints, feasible where >= 0, in units of their bounds.
    reasons : dict
        Row of each failed or infeasible trial and why.
    """

    score: FloatArray
    constraints: FloatArray
    reasons: dict[int, str]


class ObjectiveFunction:
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

    def __init__(
        self,
        weights: Mapping[str, float] | str | None = None,
        backtest: Backtest | None = None,
        *,
        constraints: Iterable[str | OutcomeConstraint] = (),
    ) -> None:
        self.weights = _checked_weights(weights)
        self.backtest = backtest
        self.constraints = parse_constraints(constraints)
        self._terms = [(name, _COLUMN[name], weight) for name, weight in self.weights.items() if weight > 0]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the score is made of."""
        return tuple(name for name, _, _ in self._terms)

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
        missing = next((name for name in self.metrics if name not in metrics), None)
        if missing is not None:
            raise ObjectiveError(f"the metrics have no '{missing}', which the objective needs: {self}")
        if metrics.get("trades") == 0:
            return math.nan
        values = np.full((1, len(METRICS)), np.nan)
        for name in self.metrics:
            value = metrics[name]
            values[0, _COLUMN[name]] = math.nan if value is None else value
        score = float(self._sum(values)[0])
        return score if math.isfinite(score) else math.nan

    def evaluate(self, params: Mapping[str, Any]) -> float:
        """Backtest one candidate and return its score."""
        if self.backtest is None:
            raise ObjectiveError(
                "evaluate needs a backtest; pass ObjectiveFunction(weights, backtest=function)"
            )
        return self.score(self.backtest(params))

    # -- populations -----------------------------------------------------------------------------------------

    def score_table(self, table: MetricsTable) -> Scores:
        """Return the scores of a population.

        Parameters
        ----------
        table : MetricsTable
            ``table.errors`` takes precedence as the reason of a failure.
        """
        values = table.values
        score = self._sum(values)
        failed = ~np.isfinite(score)
        idle = values[:, _COLUMN["trades"]] == 0.0
        failed |= idle
        margins = self._margins(values)
        reasons = self._violations(margins, failed)
        if failed.any():
            score[failed] = np.nan
            reasons |= self._failures(values, failed, idle, table.errors)
        return Scores(score, margins, reasons)

    def _sum(self, values: FloatArray) -> FloatArray:
        """Add the terms one after the other: the result of a row does not depend on the other rows."""
        total = np.zeros(len(values))
        with np.errstate(invalid="ignore", over="ignore"):  # infinite and huge metrics: failed, with a reason
            for name, column, weight in self._terms:
                total += weight * contribution(name, values[:, column])
        return total

    def _margins(self, values: FloatArray) -> FloatArray:
        margins = np.empty((len(values), len(self.constraints)))
        for i, constraint in enumerate(self.constraints):
            margins[:, i] = constraint.margin(values[:, _COLUMN[constraint.metric]])
        return margins

    def _violations(self, margins: FloatArray, failed: NDArray[np.bool_]) -> dict[int, str]:
        """Return the first violated constraint of each completed trial."""
        reasons: dict[int, str] = {}
        for i in reversed(range(len(self.constraints))):
            rows = np.flatnonzero(~(margins[:, i] >= 0.0) & ~failed).tolist()
            reasons |= dict.fromkeys(rows, f"violates {self.constraints[i]}")
        return reasons

    def _failures(
        self,
        values: FloatArray,
        failed: NDArray[np.bool_],
        idle: NDArray[np.bool_],
        errors: Mapping[int, str],
    ) -> dict[int, str]:
        """Return why each failed trial failed: its error, no trade, or the first metric not finite."""
        reasons = dict.fromkeys(np.flatnonzero(failed).tolist(), "the score is not finite")
        for name, column, _ in reversed(self._terms):
            broken = failed & ~np.isfinite(values[:, column])
            missing = broken & np.isnan(values[:, column])
            reasons |= dict.fromkeys(np.flatnonzero(broken).tolist(), f"{name} is infinite")
            reasons |= dict.fromkeys(np.flatnonzero(missing).tolist(), f"{name} is not a number")
        reasons |= dict.fromkeys(np.flatnonzero(idle).tolist(), NO_TRADES)
        return reasons | dict(errors)

    # -- forms -----------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form: that of the task file, constraints only when there are some."""
        data: dict[str, Any] = {"type": "multi_objective", "weights": dict(self.weights)}
        if self.constraints:
            data["constraints"] = [str(c) for c in self.constraints]
        return data

    def __str__(self) -> str:
        if len(self._terms) == 1 and self._terms[0][2] == 1.0:
            return describe(self._terms[0][0])
        return " + ".join(_term(weight, describe(name)) for name, _, weight in self._terms)

    def __repr__(self) -> str:
        constraints = f", constraints={[str(c) for c in self.constraints]}" if self.constraints else ""
        return f"ObjectiveFunction({dict(self.weights)}{constraints})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObjectiveFunction):
            return NotImplemented
        return self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((tuple(self.weights.items()), self.constraints))


def _checked_weights(weights: Mapping[str, float] | str | None) -> dict[str, float]:
    if weights is None:
        return dict(DEFAULT_WEIGHTS)
    if isinstance(weights, str):
        return {check_metric(weights): 1.0}
    if not isinstance(weights, Mapping):
        raise ObjectiveError(f"the weights are {weights!r}; expected a metric's name, or weights by metric")
    checked = {check_metric(name): _weight(name, value) for name, value in weights.items()}
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
