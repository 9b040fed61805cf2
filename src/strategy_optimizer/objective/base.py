"""What every objective shares: which trials failed and why, and the constraints on their outcome."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.backtest.result import MetricsTable
from strategy_optimizer.errors import ObjectiveError
from strategy_optimizer.objective.outcome import OutcomeConstraint, parse_constraints

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

NO_TRADES = "no_trades"


@dataclass(frozen=True)
class Scores:
    """The scores of a population.

    Attributes
    ----------
    score : array, shape (n,) or (n, m)
        One number a trial, larger is better; with several objectives the metrics themselves, in their order
        and directions. NaN where the trial failed.
    constraints : array, shape (n, k)
        Margins of the outcome constraints, feasible where >= 0, in units of their bounds.
    reasons : dict
        Row of each failed or infeasible trial and why.
    """

    score: FloatArray
    constraints: FloatArray
    reasons: dict[int, str]

    @property
    def failed(self) -> BoolArray:
        """Which trials failed, (n,)."""
        return np.isnan(self.score if self.score.ndim == 1 else self.score[:, 0])


class Objective(ABC):
    """Turns the metrics of backtests into scores.

    Parameters
    ----------
    metrics : tuple of str
        Those that must be finite in a trial that did not fail.
    constraints : iterable of str
        Outcome constraints such as ``"trades >= 30"``.
    names : tuple of str
        All metrics that the engine gives, in the order of its tables.
    """

    directions: tuple[str, ...]  # of the scores, as an optimizer is told

    def __init__(
        self,
        metrics: tuple[str, ...],
        constraints: Iterable[str | OutcomeConstraint],
        names: tuple[str, ...] = METRICS,
    ) -> None:
        self.metrics = metrics
        self.names = names
        self.constraints = parse_constraints(constraints, names)
        self._column = {name: i for i, name in enumerate(names)}

    @abstractmethod
    def _scores(self, values: FloatArray) -> FloatArray:
        """Return scores, (n,) or (n, m), of metrics, (n, len(names)); not finite where a trial failed."""

    @abstractmethod
    def composite(self, metrics: Mapping[str, float]) -> float:
        """Return the one score of a backtest; NaN when it failed, and where several objectives have none."""

    @abstractmethod
    def with_constraints(self, more: Iterable[str | OutcomeConstraint]) -> Self:
        """Return the objective with further outcome constraints."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, which `parse_objective` reads."""

    # -- one candidate ---------------------------------------------------------------------------------------

    def _score(self, metrics: Mapping[str, float]) -> FloatArray:
        """Return the score, () or (m,), of one backtest; NaN when it failed."""
        missing = next((name for name in self.metrics if name not in metrics), None)
        if missing is not None:
            raise ObjectiveError(f"the metrics have no '{missing}', which the objective needs: {self}")
        values = np.full((1, len(self.names)), np.nan)
        for name in self.metrics:
            value = metrics[name]
            values[0, self._column[name]] = math.nan if value is None else value
        scores = self._scores(values)
        failed = metrics.get("trades") == 0 or not np.isfinite(scores).all()
        return np.full(scores.shape[1:], np.nan) if failed else np.asarray(scores[0])

    # -- populations -----------------------------------------------------------------------------------------

    def score_table(self, table: MetricsTable) -> Scores:
        """Return the scores of a population.

        Parameters
        ----------
        table : MetricsTable
            ``table.errors`` takes precedence as the reason of a failure.
        """
        values = table.values
        score = self._scores(values)
        finite = np.isfinite(score)
        failed = ~(finite if finite.ndim == 1 else finite.all(axis=1))
        idle = self._idle(values)
        failed |= idle
        margins = self._margins(values)
        reasons = self._violations(margins, failed)
        if failed.any():
            score[failed] = np.nan
            reasons |= self._failures(values, failed, idle, table.errors)
        return Scores(score, margins, reasons)

    def _idle(self, values: FloatArray) -> BoolArray:
        """Return which candidates made no trade, (n,); nobody knows where the engine does not count them."""
        if "trades" not in self._column:
            return np.zeros(len(values), np.bool_)
        return np.asarray(values[:, self._column["trades"]] == 0.0)

    def _margins(self, values: FloatArray) -> FloatArray:
        margins = np.empty((len(values), len(self.constraints)))
        for i, constraint in enumerate(self.constraints):
            margins[:, i] = constraint.margin(values[:, self._column[constraint.metric]])
        return margins

    def _violations(self, margins: FloatArray, failed: BoolArray) -> dict[int, str]:
        """Return the first violated constraint of each completed trial."""
        reasons: dict[int, str] = {}
        for i in reversed(range(len(self.constraints))):
            rows = np.flatnonzero(~(margins[:, i] >= 0.0) & ~failed).tolist()
            reasons |= dict.fromkeys(rows, f"violates {self.constraints[i]}")
        return reasons

    def _failures(
        self,
        values: FloatArray,
        failed: BoolArray,
        idle: BoolArray,
        errors: Mapping[int, str],
    ) -> dict[int, str]:
        """Return why each failed trial failed: its error, no trade, or the first metric not finite."""
        reasons = dict.fromkeys(np.flatnonzero(failed).tolist(), "the score is not finite")
        for name in reversed(self.metrics):
            column = values[:, self._column[name]]
            broken = failed & ~np.isfinite(column)
            missing = broken & np.isnan(column)
            reasons |= dict.fromkeys(np.flatnonzero(broken).tolist(), f"{name} is infinite")
            reasons |= dict.fromkeys(np.flatnonzero(missing).tolist(), f"{name} is not a number")
        reasons |= dict.fromkeys(np.flatnonzero(idle).tolist(), NO_TRADES)
        return reasons | dict(errors)
