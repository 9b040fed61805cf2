"""The result of a task as JSON."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field

from strategy_optimizer.models.base import Model, Number, Value
from strategy_optimizer.records import StopReason, TrialState
from strategy_optimizer.tasks.result import SearchResult


class PerformanceModel(Model):
    """Metrics of one candidate, and the objective's score; any metric may stand beside these."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number]

    sharpe_ratio: Number = None
    total_return: Number = None
    max_drawdown: Number = None
    win_rate: Number = None
    composite_score: Number = None


class TrialModel(Model):
    """One entry of the history; ``iteration`` is the trial's number, from 1."""

    iteration: int
    parameters: dict[str, Value]
    performance: PerformanceModel
    state: TrialState = "completed"
    seconds: Number = None
    reason: str = ""
    author: str | None = None


class ConvergenceModel(Model):
    """How the search went; see `strategy_optimizer.tasks.Convergence`."""

    convergence_iteration: int
    final_improvement: Number = None
    exploration_ratio: Number = None


class ComparisonModel(Model):
    """One candidate on both parts of the data."""

    in_sample: PerformanceModel
    held_out: PerformanceModel | None = None


class FrontPointModel(Model):
    """One point of the Pareto front; ``trial`` is its number, ``objectives`` the metrics searched for."""

    trial: int
    parameters: dict[str, Value]
    objectives: dict[str, Number]
    performance: ComparisonModel


class CountsModel(Model):
    """Trials by outcome; ``failures`` and ``violations`` count the reasons."""

    trials: int
    completed: int
    failed: int
    infeasible: int
    pruned: int = 0
    resumed: int = 0
    failures: dict[str, int] = Field(default_factory=dict)
    violations: dict[str, int] = Field(default_factory=dict)


class DataModel(Model):
    """Which data, and how they were divided: bar indices, end excluded, and the dates of both ends."""

    name: str
    digest: str
    bars: int
    symbols: tuple[str, ...]
    first: str
    last: str
    in_sample: tuple[int, int]
    held_out: tuple[int, int] | None = None
    in_sample_dates: tuple[str, str]
    held_out_dates: tuple[str, str] | None = None


class VerdictModel(Model):
    """``deploy``, ``paper`` or ``reject``; ``luck`` is the chance of as much luck, or says why there is no number."""

    decision: Literal["deploy", "paper", "reject"]
    luck: float | dict[str, str]
    reasons: tuple[str, ...]


class ContenderModel(Model):
    """See `strategy_optimizer.validation.Contender`."""

    trial: int | None = None
    parameters: dict[str, Value]
    steadiness: Number = None
    plateau: Number = None
    neighbours: int
    left: Number = None
    performance: ComparisonModel


class RecommendationModel(Model):
    """See `strategy_optimizer.validation.Recommendation`."""

    parameters: dict[str, Value]
    trial: int
    reason: str
    regions: tuple[ContenderModel, ...]
    best: ContenderModel
    defaults: ContenderModel | None = None


class ValidationModel(Model):
    """See `strategy_optimizer.validation.Validation`; the statistics as they stand there."""

    verdict: VerdictModel
    recommendation: RecommendationModel | None = None
    overfitting: dict[str, Any]
    held_out: dict[str, Any] | None = None
    lookahead: dict[str, Any] | None = None


class ResultModel(Model):
    """The result of a task; a file with the first five fields alone is valid.

    Examples
    --------
    >>> text = '''{"task_id": "t", "best_parameters": {"n": 20}, "best_performance": {"sharpe_ratio": 1.2},
    ...     "optimization_history": [], "convergence_analysis": {"convergence_iteration": 3,
    ...     "final_improvement": 0.1, "exploration_ratio": 0.5}}'''
    >>> ResultModel.from_json(text).best_parameters
    {'n': 20}
    """

    task_id: str
    best_parameters: dict[str, Value]
    recommended_parameters: dict[str, Value] | None = None
    best_performance: PerformanceModel
    optimization_history: tuple[TrialModel, ...] = ()
    convergence_analysis: ConvergenceModel | None = None

    strategy_name: str | None = None
    strategy_digest: str | None = None
    best_score: Number = None
    best_trial: int | None = None
    best: ComparisonModel | None = None
    default_parameters: dict[str, Value] | None = None
    defaults: ComparisonModel | None = None
    buy_and_hold: ComparisonModel | None = None
    counts: CountsModel | None = None
    stop_reason: StopReason | None = None
    seconds: Number = None
    trials_per_second: Number = None
    data: DataModel | None = None
    objective: dict[str, Any] | None = None
    space: dict[str, Any] | None = None
    costs: dict[str, float] | None = None
    rules: dict[str, Any] | None = None
    optimizer: dict[str, Any] | None = None
    seed: int | None = None
    versions: dict[str, str] | None = None
    reproduced: bool | None = None
    reproduced_by: str | None = None
    notes: tuple[str, ...] = ()
    pareto_front: tuple[FrontPointModel, ...] | None = None
    validation: ValidationModel | None = None
    execution: dict[str, Any] | None = None

    @classmethod
    def from_result(cls, result: SearchResult, *, trials: bool = True) -> Self:
        """Return the model of a result; `trials` says whether the history is embedded."""
        return cls.model_validate(result.to_dict(trials=trials))
