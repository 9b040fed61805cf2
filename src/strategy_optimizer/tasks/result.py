"""What a task returns: the winner, its numbers beside those it has to beat, and how to get them again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from strategy_optimizer.plain import as_plain
from strategy_optimizer.records import StopReason
from strategy_optimizer.tasks.history import TrialHistory

EMBEDDED_TRIALS = 10_000
"""A JSON result with more trials than this holds only those that were better than all before."""

FRONT_POINTS = 1_000
"""A result names about so many points of a larger front; all of it is marked in the history and the exports."""


@dataclass(frozen=True)
class Performance:
    """One candidate's numbers on both parts of the data.

    Attributes
    ----------
    in_sample : dict
        Metrics on the bars that were searched, and ``composite_score``, the objective's score (NaN without a
        trade or with a metric that is not finite, and with several objectives).
    held_out : dict or None
        The same on the bars that were kept out; None when there were none.
    """

    in_sample: dict[str, float]
    held_out: dict[str, float] | None = None


@dataclass(frozen=True)
class FrontPoint:
    """One point of the Pareto front.

    Attributes
    ----------
    trial : int
        Its number, from 1.
    parameters : dict
    objectives : dict
        The metrics that were searched for, as they are: not turned round.
    performance : Performance
        All metrics, in sample and held out.
    """

    trial: int
    parameters: dict[str, Any]
    objectives: dict[str, float]
    performance: Performance


@dataclass(frozen=True)
class Convergence:
    """How the search went.

    Attributes
    ----------
    convergence_iteration : int
        The first trial (from 1) whose best is within 1 % of (final - first) of the final best. With several
        objectives: at which the front comes within 1 % of its final ranges of each final point.
    final_improvement : float
        Best score - score of the default parameters; NaN when the defaults have none, and with several
        objectives.
    exploration_ratio : float
        Distinct cells of a grid with 10 bins a parameter that were visited / trials.
    """

    convergence_iteration: int
    final_improvement: float
    exploration_ratio: float


@dataclass(frozen=True)
class Counts:
    """How many trials there were, and why some failed or could not win."""

    trials: int
    completed: int
    failed: int
    infeasible: int
    resumed: int
    failures: Mapping[str, int] = field(default_factory=dict)
    violations: Mapping[str, int] = field(default_factory=dict)
    pruned: int = 0


@dataclass(frozen=True)
class DataInfo:
    """Which data, and how they were divided; dates are those of the first and last bar."""

    name: str
    digest: str
    bars: int
    symbols: tuple[str, ...]
    first: str
    last: str
    in_sample: tuple[int, int]
    held_out: tuple[int, int] | None
    in_sample_dates: tuple[str, str]
    held_out_dates: tuple[str, str] | None


class Validated(Protocol):
    """What validation adds to a result; see `strategy_optimizer.validation.Validation`."""

    @property
    def recommendation(self) -> Any:
        """Which parameters to deploy."""

    @property
    def verdict(self) -> Any:
        """The decision and its reasons."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The outcome of one search, whatever engine ran its trials.

    Attributes
    ----------
    task_id : str
        The same search has the same.
    strategy_name, strategy_digest : str
    best_parameters : dict
        The in-sample best: the feasible trial with the highest score, the first of equals. With several
        objectives the point of the Pareto front that its knee or the reference point chooses.
    best_score : float
        NaN with several objectives.
    best_trial : int
        Its number, from 1.
    best, defaults : Performance
        The winner, and the default parameters (NaN where the strategy fails on them).
    default_parameters : dict
    convergence : Convergence
    counts : Counts
    stop_reason : str
    seconds, trials_per_second : float
        Of the search, earlier sessions included; the rate is of this session.
    objective, space, optimizer, versions : dict
    seed : int
    reproduced : bool
        Always true: a winner that cannot be reproduced is an error.
    reproduced_by : str
        What re-ran the winner, and how closely every metric agreed.
    notes : tuple of str
        What the numbers alone might hide.
    history : TrialHistory
        Every trial.
    pareto_front : tuple of FrontPoint
        With several objectives: the feasible trials that no other one beats in every objective (the first
        of equals), the best in the first objective first; beyond `FRONT_POINTS` an even selection of them.
        Empty with one objective.
    validation : Validation or None
        What can be said of the winner, with the verdict; None where it was not wanted.
    """

    task_id: str
    strategy_name: str
    strategy_digest: str
    best_parameters: dict[str, Any]
    best_score: float
    best_trial: int
    best: Performance
    default_parameters: dict[str, Any]
    defaults: Performance
    convergence: Convergence
    counts: Counts
    stop_reason: StopReason
    seconds: float
    trials_per_second: float
    objective: dict[str, Any]
    space: dict[str, Any]
    optimizer: dict[str, Any]
    seed: int
    versions: dict[str, str]
    reproduced: bool
    reproduced_by: str
    notes: tuple[str, ...]
    history: TrialHistory = field(repr=False, compare=False)
    pareto_front: tuple[FrontPoint, ...] = ()
    validation: Validated | None = None

    @property
    def verdict(self) -> Any:
        """Whether to deploy the recommended parameters, with reasons; None without validation.

        See `strategy_optimizer.validation.Verdict`.
        """
        return None if self.validation is None else self.validation.verdict

    @property
    def recommended_parameters(self) -> dict[str, Any] | None:
        """What deployment uses: not the best trial in sample but a steady one; None without validation."""
        found = None if self.validation is None else self.validation.recommendation
        return None if found is None else dict(found.parameters)

    @property
    def best_performance(self) -> dict[str, float]:
        """The winner's in-sample metrics and its ``composite_score``."""
        return self.best.in_sample

    def to_dict(self, *, trials: bool = True) -> dict[str, Any]:
        """Return the JSON form: plain values, None for what is not finite.

        Parameters
        ----------
        trials : bool
            Whether to embed ``optimization_history``: all trials up to 10,000, beyond that the improvements,
            with several objectives those of the Pareto front.
        """
        data = {
            name: value
            for name, value in vars(self).items()
            if name not in ("history", "pareto_front", "validation")
        }
        if self.pareto_front:
            data["pareto_front"] = self.pareto_front
        if self.validation is not None:
            data["recommended_parameters"] = self.recommended_parameters
            data["validation"] = self.validation
        data["best_performance"] = self.best_performance
        data["convergence_analysis"] = data.pop("convergence")
        if trials:
            data["optimization_history"] = self._embedded_trials()
        plain: dict[str, Any] = as_plain(data)
        return plain

    def to_json(self, *, indent: int | None = None, trials: bool = True) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(trials=trials), indent=indent, allow_nan=False)

    def _embedded_trials(self) -> list[dict[str, Any]]:
        history = self.history
        chosen = range(len(history)) if len(history) <= EMBEDDED_TRIALS else history.improvements()
        return [_history_entry(history, i) for i in chosen]

    def export(self, path: str | Path) -> None:
        """Write all trials to a .csv, .parquet or .json file, see `export_trials`."""
        from strategy_optimizer.tasks.export import export_trials  # Polars, only when used

        export_trials(self.history, path)


@dataclass(frozen=True, kw_only=True)
class Result(SearchResult):
    """The outcome of a search on our own engine.

    Attributes
    ----------
    buy_and_hold : Performance
        Always being long with the same costs (several symbols in equal parts).
    data : DataInfo
    costs, rules : dict
    """

    buy_and_hold: Performance
    data: DataInfo
    costs: dict[str, float]
    rules: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class EngineResult(SearchResult):
    """The outcome of a search on another engine.

    Attributes
    ----------
    execution : dict
        Where the trials ran: executor, workers, limits, order, cached trials, and what happened to the workers.
    """

    execution: dict[str, Any]


def _history_entry(history: TrialHistory, i: int) -> dict[str, Any]:
    trial = history[i]
    entry: dict[str, Any] = {
        "iteration": trial.number,
        "parameters": trial.parameters,
        "performance": trial.metrics | {"composite_score": trial.score},
        "state": trial.state,
        "seconds": trial.seconds,
    }
    if trial.reason:
        entry["reason"] = trial.reason
    if trial.author:
        entry["author"] = trial.author
    return entry
