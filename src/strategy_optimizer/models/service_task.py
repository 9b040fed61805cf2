"""Tasks as the service takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictBool

from strategy_optimizer.models.base import Model, Moment, Number, Value, Whole
from strategy_optimizer.models.result import ConvergenceModel, PerformanceModel
from strategy_optimizer.models.task import OptimizationType, TaskModel

State = Literal["queued", "running", "paused", "completed", "failed", "cancelled"]
DEFAULT_DATA = "sp500"
"""What a task searches that names no data."""
Memory = Annotated[Whole | None, Field(ge=2**28, lt=2**50)]
IGNORED = ("status", "progress", "created_at")
"""Fields of a posted task that say how another one fared."""


class TaskIn(TaskModel):
    """A task to be run. ``status``, ``progress`` and ``created_at`` are ignored; other unknown fields are refused."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "strategy_name": "momentum",
                    "optimization_type": "ga",
                    "parameter_space": {
                        "lookback_period": {"type": "discrete", "bounds": [10, 100]},
                        "threshold": {"type": "continuous", "bounds": [0.01, 0.05]},
                    },
                    "objective_function": {
                        "type": "multi_objective",
                        "weights": {
                            "sharpe_ratio": 0.4,
                            "total_return": 0.3,
                            "max_drawdown": 0.2,
                            "win_rate": 0.1,
                        },
                    },
                    "optimization_config": {"population_size": 50, "generations": 20},
                    "data": "nasdaq",
                }
            ]
        }
    )

    task_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    strategy_name: str = Field(min_length=1, max_length=200)
    data: str | None = Field(default=None, min_length=1, max_length=200)
    priority: Whole = Field(default=0, ge=-100, le=100, description="larger is taken from the queue first")
    deadline: Moment | None = Field(
        default=None,
        description="when its search ends at the latest; what it has found by then is checked after it",
    )
    warm_start: str | None = Field(
        default=None, description="id of an earlier task, whose best points are tried first"
    )
    memory: Memory = Field(
        default=None,
        description="bytes that its processes may take together, at most and by default the service's task_memory",
    )

    def as_asked(self) -> dict[str, Any]:
        """Return what was asked, without what is ignored, as JSON values."""
        return self.model_dump(mode="json", exclude_unset=True, exclude=set(IGNORED))


class StoredTask(Model):
    """What the store keeps of a task: what was asked, and the versions that were current then.

    ``engine`` says that what it searches is an engine with data of its own.
    """

    task: TaskIn
    strategy_version: str | None = None
    data_digest: str | None = None
    engine: StrictBool = False

    def document(self) -> dict[str, Any]:
        """Return it as the store keeps it."""
        pinned = {"strategy_version": self.strategy_version, "data_digest": self.data_digest}
        return {"task": self.task.as_asked(), **pinned, **({"engine": True} if self.engine else {})}


class UsageOut(Model):
    """What the processes use that run an engine's trials; ``memory`` in bytes."""

    workers: int
    busy: int
    memory: int
    cpu_seconds: Number
    restarted: int
    retried: int


class StatusOut(Model):
    """How far a task is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task_id": "opt_4f1c2a90b7d3e865",
                    "status": "running",
                    "progress": 0.42,
                    "stage": "search",
                    "trials": 420,
                    "failed": 3,
                    "infeasible": 0,
                    "evaluations": 1000,
                    "best_score": 0.71,
                    "best_parameters": {"lookback_period": 63, "threshold": 0.021},
                    "elapsed": 1.9,
                    "trials_per_second": 221.0,
                    "seconds_left": 2.6,
                }
            ]
        }
    )

    task_id: str
    status: State
    progress: float = Field(ge=0, le=1)
    stage: Literal["search", "reproduce", "validate"] | None = None
    stop_reason: str | None = None
    error: str | None = None
    trials: int = 0
    failed: int | None = None
    infeasible: int | None = None
    evaluations: int | None = None
    best_score: Number = None
    best_parameters: dict[str, Value] | None = None
    best_metrics: dict[str, Number] | None = None
    front: int | None = None
    elapsed: Number = None
    trials_per_second: Number = None
    seconds_left: Number = None
    usage: UsageOut | None = Field(default=None, description="of an engine's trials")
    pause_requested: bool = False
    cancel_requested: bool = False


class TaskOut(StatusOut):
    """A task, how it was asked for, and how far it is."""

    strategy_name: str
    strategy_version: str | None = None
    optimization_type: OptimizationType = "auto"
    data: str | None = Field(description="null for an engine, which has its own")
    data_digest: str | None = None
    owner: str
    parent: str | None = None
    priority: int
    memory: int = Field(
        description="bytes that its processes may take together; counts for the quota while it runs"
    )
    attempts: int
    worker: str | None = None
    created_at: datetime
    queued_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    deadline: datetime | None = None
    events: int = Field(description="number of its newest event")


class TaskDocumentOut(TaskOut):
    """A task with all that was asked for."""

    task: dict[str, Any]


class TaskPageOut(Model):
    """Tasks, and where the next page begins."""

    tasks: list[TaskOut]
    total: int
    next_cursor: str | None = None


class TaskChangeIn(Model):
    """What of a task can be changed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"priority": 5}]})

    priority: Whole = Field(ge=-100, le=100)


class TaskCopyIn(Model):
    """What a copy of a task does otherwise; fields that are not given stay, but for the deadline of the first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"data": "nasdaq", "optimization_config": {"generations": 40}}]}
    )

    task_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    optimization_type: OptimizationType | None = None
    optimization_config: dict[str, Any] | None = Field(
        default=None, description="these entries go over those of the task"
    )
    data: str | None = Field(default=None, min_length=1, max_length=200)
    priority: Whole | None = Field(default=None, ge=-100, le=100)
    memory: Memory = Field(default=None, description="bytes that its processes may take together")
    deadline: Moment | None = Field(default=None, description="of the copy; it has none without")
    warm_start: StrictBool = Field(default=False, description="try the best points of the task first")


class BestParametersOut(Model):
    """The best parameters so far, or in the end, and what is said of them."""

    task_id: str
    status: State
    final: bool = Field(description="whether the task has ended")
    best_parameters: dict[str, Value]
    best_performance: PerformanceModel
    recommended_parameters: dict[str, Value] | None = None
    verdict: str | None = Field(default=None, description="deploy, paper or reject; null without validation")


class ConvergenceOut(Model):
    """How the best score grew; ``convergence_analysis`` once the task has a result.

    The columns have one entry for each stretch of trials, numbered from 1: ``low`` and ``high`` are the scores there,
    ``best`` is the best feasible one until its end.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task_id": "opt_4f1c2a90b7d3e865",
                    "status": "completed",
                    "trials": 1000,
                    "first": [1, 501],
                    "last": [500, 1000],
                    "low": [-0.31, 0.12],
                    "high": [0.69, 0.71],
                    "best": [0.69, 0.71],
                    "convergence_analysis": {
                        "convergence_iteration": 412,
                        "final_improvement": 0.22,
                        "exploration_ratio": 0.31,
                    },
                }
            ]
        }
    )

    task_id: str
    status: State
    trials: int
    first: list[int]
    last: list[int]
    low: list[Number]
    high: list[Number]
    best: list[Number]
    convergence_analysis: ConvergenceModel | None = None
