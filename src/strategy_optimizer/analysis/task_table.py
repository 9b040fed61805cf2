"""Tasks side by side: one row each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from strategy_optimizer.analysis.comparable import SCORE
from strategy_optimizer.tasks import Result


@dataclass(frozen=True)
class TaskRow:
    """One task in a table of several.

    Attributes
    ----------
    task_id, strategy, data, objective, optimizer : str
    seed, trials : int
    seconds : float
    score, held_out_score : float
        Of the winner; NaN with several objectives, and where nothing was held out.
    sharpe_ratio, held_out_sharpe_ratio : float
    parameters : dict
        The winner's.
    verdict : str or None
        ``deploy``, ``paper`` or ``reject``; None where there is none.
    """

    task_id: str
    strategy: str
    data: str
    objective: str
    optimizer: str
    seed: int
    trials: int
    seconds: float
    score: float
    held_out_score: float
    sharpe_ratio: float
    held_out_sharpe_ratio: float
    parameters: Mapping[str, Any]
    verdict: str | None


def compare_tasks(results: Iterable[Result]) -> tuple[TaskRow, ...]:
    """Return one row a task, in their order."""
    return tuple(_row(result) for result in results)


def _row(result: Result) -> TaskRow:
    held_out = result.best.held_out or {}
    return TaskRow(
        task_id=result.task_id,
        strategy=result.strategy_name,
        data=result.data.name,
        objective=str(result.objective["text"]),
        optimizer=str(result.optimizer["name"]),
        seed=result.seed,
        trials=result.counts.trials,
        seconds=result.seconds,
        score=result.best.in_sample[SCORE],
        held_out_score=held_out.get(SCORE, math.nan),
        sharpe_ratio=result.best.in_sample["sharpe_ratio"],
        held_out_sharpe_ratio=held_out.get("sharpe_ratio", math.nan),
        parameters=result.best_parameters,
        verdict=None if result.verdict is None else str(result.verdict.decision),
    )
