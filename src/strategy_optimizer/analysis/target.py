"""What is analysed: the score of a search's trials, or one of their metrics, and the model of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import ObjectiveError
from strategy_optimizer.objective.directions import check_metric, natural_direction
from strategy_optimizer.optimizer.surrogate import Surrogate, fit_surrogate
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks import TrialHistory
from strategy_optimizer.tasks.history import COMPLETED
from strategy_optimizer.validation.statistics import NotEnough

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]

SCORE = "score"
LEAST_TRIALS = 40  # completed ones with different points, before which nothing is said of parameters
LEAST_EXPLAINED = 0.3  # share of the variation that a model must foresee before its answers are shown


@dataclass(frozen=True, eq=False)
class Target:
    """The trials of a search, and one number of each.

    Attributes
    ----------
    name : str
        ``score`` or a metric.
    minimized : bool
        Whether smaller is better.
    space : ParameterSpace
    points : array (n, d)
        All trials, in their order.
    values : array (n,)
        As they are; NaN where the trial failed or the metric is not finite.
    feasible : array of bool (n,)
        Which trials may win: those that completed and satisfy the outcome constraints.
    """

    name: str
    minimized: bool
    space: ParameterSpace
    points: FloatArray
    values: FloatArray
    feasible: BoolArray

    @property
    def sign(self) -> float:
        """What values are multiplied with so that larger is better."""
        return -1.0 if self.minimized else 1.0

    @cached_property
    def known(self) -> IntArray:
        """Rows of the trials that have a value, (k,)."""
        return np.flatnonzero(np.isfinite(self.values))

    @cached_property
    def gains(self) -> FloatArray:
        """The values, larger is better, (n,)."""
        return self.sign * self.values

    @cached_property
    def best(self) -> int | None:
        """Row of the best trial that may win, the first of equals; None without one."""
        gains = np.where(self.feasible & np.isfinite(self.values), self.gains, -np.inf)
        return int(np.argmax(gains)) if len(gains) and np.isfinite(gains.max()) else None

    @cached_property
    def lacking(self) -> NotEnough | None:
        """What is missing before anything can be said of parameters."""
        distinct = len(np.unique(self.space.keys(self.points[self.known]))) if len(self.known) else 0
        if distinct < LEAST_TRIALS:
            return NotEnough("completed trials", distinct, LEAST_TRIALS)
        if len(np.unique(self.values[self.known])) < 2:
            return NotEnough(f"different values of {self.name}", 1, 2)
        return None

    @cached_property
    def surrogate(self) -> Surrogate | NotEnough:
        """A model of `gains`, fitted when first asked for."""
        return self.lacking or fit_surrogate(self.space, self.points, self.gains)

    @cached_property
    def model(self) -> Surrogate | NotEnough:
        """The surrogate, where it foresees enough of the trials' variation to be shown."""
        if isinstance(self.surrogate, NotEnough):
            return self.surrogate
        explained = self.surrogate.explained
        if explained < LEAST_EXPLAINED:
            return NotEnough(
                "percent of the variation explained by the model",
                100.0 * max(explained, 0.0),
                100.0 * LEAST_EXPLAINED,
            )
        return self.surrogate


def target_of(history: TrialHistory, of: str = SCORE) -> Target:
    """Return what is analysed of a history.

    Parameters
    ----------
    history : TrialHistory
    of : str
        ``score``, or a metric.

    Raises
    ------
    ObjectiveError
        An unknown metric; or the score of a search for several objectives, which has none.
    """
    if of == SCORE and history.front is not None:
        raise ObjectiveError(
            f"a search for several objectives has no score; name a metric, such as {history.front.objective.metrics[0]}"
        )
    completed = history.states == COMPLETED
    names = history.metric_names
    column = history.scores if of == SCORE else history.metrics[:, names.index(check_metric(of, names))]
    return Target(
        name=of,
        minimized=of != SCORE and _is_minimized(history, of),
        space=history.space,
        points=history.points,
        values=np.where(completed & np.isfinite(column), column, np.nan),
        feasible=history.feasible,
    )


def _is_minimized(history: TrialHistory, metric: str) -> bool:
    """Return the direction that the search gave the metric, else the natural one."""
    if history.front is not None and metric in history.front.objective.metrics:
        objective = history.front.objective
        return objective.directions[objective.metrics.index(metric)] == "minimize"
    return natural_direction(metric) == "minimize"


def main_targets(history: TrialHistory) -> tuple[str, ...]:
    """Return what a search was for: its score, or its objectives."""
    return (SCORE,) if history.front is None else history.front.objective.metrics
