"""What a search leaves when it ends, whoever ran its trials, and what every result takes from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from strategy_optimizer.errors import NoWinnerError, SpaceError
from strategy_optimizer.objective import Objective
from strategy_optimizer.optimizer import Optimizer
from strategy_optimizer.optimizer.stopping import (
    FrontProgress,
    SearchProgress,
    front_progress,
    search_progress,
)
from strategy_optimizer.records import STOP_REASONS, StopReason, Trial
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks.convergence import analyse_convergence
from strategy_optimizer.tasks.history import TrialHistory
from strategy_optimizer.tasks.notes import tally_text
from strategy_optimizer.tasks.result import Counts, Performance


@dataclass(frozen=True, kw_only=True)
class EndedSearch:
    """All that a result needs of the search itself."""

    task_id: str
    space: ParameterSpace
    objective: Objective
    optimizer: Optimizer
    history: TrialHistory
    stop_reason: StopReason
    why_converged: str | None
    seconds: float
    trials_per_second: float
    n_resumed: int
    n_start_points: int


def shared_fields(
    search: EndedSearch,
    trial: Trial,
    best: Performance,
    defaults: Performance,
    counts: Counts,
    notes: Sequence[str],
) -> dict[str, Any]:
    """Return the fields that every result has, whatever engine ran the trials."""
    return {
        "task_id": search.task_id,
        "best_parameters": trial.parameters,
        "best_score": trial.score,
        "best_trial": trial.number,
        "best": best,
        "defaults": defaults,
        "convergence": analyse_convergence(search.history, defaults.in_sample["composite_score"]),
        "counts": counts,
        "stop_reason": search.stop_reason,
        "seconds": search.seconds,
        "trials_per_second": search.trials_per_second,
        "objective": search.objective.to_json() | {"text": str(search.objective)},
        "space": space_json(search.space),
        "optimizer": optimizer_json(search.optimizer),
        "seed": search.optimizer.seed,
        "reproduced": True,
        "notes": (*taken_over(search.history, search.n_start_points), *notes),
        "history": search.history,
    }


def winner(history: TrialHistory, stop_reason: StopReason) -> Trial:
    """Return the trial that wins, or raise a `NoWinnerError` that says why there is none."""
    if history.best is not None:
        return history[history.best]
    if not len(history):
        raise NoWinnerError(f"the search ended before a trial was finished: {STOP_REASONS[stop_reason]}")
    if history.n_failed == len(history):
        raise NoWinnerError(f"all {len(history):,} trials failed: {tally_text(history.failures())}")
    raise NoWinnerError(
        f"none of {len(history):,} trials satisfies the outcome constraints: "
        f"{tally_text(history.violations())}; {history.n_failed:,} failed. "
        "Loosen the constraints, or widen the space"
    )


def counts_of(history: TrialHistory, n_resumed: int) -> Counts:
    """Return how many trials there were, and why some could not win."""
    n = len(history)
    return Counts(
        trials=n,
        completed=n - history.n_failed - history.n_pruned,
        failed=history.n_failed,
        pruned=history.n_pruned,
        infeasible=history.n_infeasible,
        resumed=n_resumed,
        failures=dict(list(history.failures().items())[:20]),
        violations=dict(history.violations()),
    )


def progress_of(optimizer: Optimizer) -> SearchProgress | FrontProgress | None:
    """Return how the best score grew, with several objectives how the front did."""
    scores = optimizer.log.winning_scores
    return search_progress(scores) if scores.ndim == 1 else front_progress(scores)


def space_json(space: ParameterSpace) -> dict[str, Any]:
    """Return the space; a constraint in Python is named, not written out."""
    try:
        return space.to_json()
    except SpaceError:
        text = [c if isinstance(c, str) else f"Python: {c.__qualname__}" for c in space.constraints]
        entries = {name: parameter.to_json() for name, parameter in space.parameters.items()}
        return {"parameter_space": entries, "constraints": text}


def optimizer_json(optimizer: Optimizer) -> dict[str, Any]:
    """Return what chose the candidates, and what it says of the search."""
    return {
        "name": optimizer.name,
        "reason": optimizer.reason,
        "budget": optimizer.budget,
        "settings": dict(optimizer.settings),
        **optimizer.report(),
    }


def taken_over(history: TrialHistory, n: int) -> Iterator[str]:
    """Say what the first n trials, points of an earlier search, were worth."""
    if n == 0 or history.front is not None or history.best is None:
        return
    best = float(np.where(history.feasible, np.nan_to_num(history.scores, nan=-np.inf), -np.inf)[:n].max())
    worth = f"the best of them scores {best:.4g} here" if np.isfinite(best) else "none of them works here"
    yield f"{n} points of an earlier search were tried first: {worth}, the winner {history.best_score:.4g}"
