"""The trials of a task, page by page."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from strategy_optimizer.models.base import Model, Number, Value
from strategy_optimizer.models.result import PerformanceModel
from strategy_optimizer.models.service_task import State
from strategy_optimizer.records import TrialState

_TRIAL: dict[str, Any] = {
    "iteration": 412,
    "parameters": {"lookback_period": 63, "threshold": 0.021},
    "performance": {
        "sharpe_ratio": 0.83,
        "total_return": 1.21,
        "max_drawdown": 0.19,
        "win_rate": 0.55,
        "trades": 61.0,
        "composite_score": 0.71,
    },
    "state": "completed",
    "feasible": True,
    "seconds": 0.0007,
    "reason": "",
}


class TrialOut(Model):
    """One trial; ``iteration`` is its number, from 1."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TRIAL]})

    iteration: int = Field(ge=1)
    parameters: dict[str, Value] = Field(description="an inactive parameter is absent")
    performance: PerformanceModel = Field(
        description="all metrics, and `composite_score`; null where there is none, as of a trial that failed, or of "
        "the score in a search with several objectives"
    )
    state: TrialState
    feasible: bool = Field(description="whether it completed and satisfies the outcome constraints")
    seconds: Number = Field(description="time that it took")
    reason: str = Field(description="why it failed, or which outcome constraint it violates")


class HistoryOut(Model):
    """A page of trials."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task_id": "opt_4f1c2a90b7d3e865",
                    "status": "running",
                    "trials": 420,
                    "total": 417,
                    "offset": 0,
                    "limit": 1,
                    "next_offset": 1,
                    "optimization_history": [_TRIAL],
                }
            ]
        }
    )

    task_id: str
    status: State
    trials: int = Field(description="that the task has now")
    total: int = Field(description="of them, how many are wanted")
    offset: int
    limit: int
    next_offset: int | None = Field(description="where the next page begins; null after the last one")
    optimization_history: list[TrialOut]
