"""Where a task begins that is to begin with what an earlier one found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from strategy_optimizer.errors import StorageUnavailableError, StrategyOptimizerError, TaskNotFoundError
from strategy_optimizer.models.service_task import StoredTask
from strategy_optimizer.objective import parse_objective
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.storage import Store, TaskRecord
from strategy_optimizer.tasks import TrialHistory, search_space
from strategy_optimizer.tasks.warm_start import MOST_POINTS
from strategy_optimizer.workers.engine_inputs import engine_space_of
from strategy_optimizer.workers.inputs import read_document, resolve

LOOKED_AT = 50 * MOST_POINTS
"""Trials of the earlier task, the best ones, whose parameters are looked at: many of them may be the same."""


def start_points(
    store: Store, record: TaskRecord, stored: StoredTask, data_dir: Path
) -> tuple[list[Mapping[str, Any]], str]:
    """Return the parameters that a task tries first, the best first, and why there are none where that is so.

    Parameters
    ----------
    store : Store
    record : TaskRecord
        Of the task.
    stored : StoredTask
        What it is.
    data_dir : Path
        Of the worker.

    Notes
    -----
    A task that was begun already goes on with the points that it began with: the earlier one may have more by now.
    """
    if stored.task.warm_start is None:
        return [], ""
    begun = store.trials.checkpoint(record.id)
    if begun is not None:
        return list(begun.state["identity"].get("start_points", [])), ""
    try:
        earlier = store.tasks.get(stored.task.warm_start, owner=record.owner)
    except TaskNotFoundError:
        return [], f"there is no task {stored.task.warm_start} to begin with any more"
    try:
        points = _best_points(store, earlier, data_dir)
    except StorageUnavailableError:
        raise
    except StrategyOptimizerError:
        points = []  # its strategy has other parameters now, or its data are gone
    return points, "" if points else f"the task {earlier.id} has no trial to begin with"


def _best_points(store: Store, earlier: TaskRecord, data_dir: Path) -> list[Mapping[str, Any]]:
    stored = read_document(earlier.document)
    history = _empty_history(store, earlier, stored, data_dir)
    if history is None:
        return []
    store.trials.load(earlier.id, history)
    if history.front is not None:
        rows = history.front.rows
    else:
        able = np.flatnonzero(history.feasible)
        rows = able[np.argsort(-history.scores[able], kind="stable")][:LOOKED_AT]
    return [history[int(row)].parameters for row in rows]


def _empty_history(
    store: Store, earlier: TaskRecord, stored: StoredTask, data_dir: Path
) -> TrialHistory | None:
    """Return what the trials of a task are to be read into; None when it has none."""
    model = stored.task
    if stored.engine:
        chunk = next(store.trials.read(earlier.id, 0, 1), None)
        if chunk is None:
            return None
        space: ParameterSpace = engine_space_of(store, stored)
        names, goal = chunk.layout.metrics, model.objective_function.document()
        return TrialHistory(space, objective=parse_objective(goal or {"metric": names[0]}, names=names))
    strategy, _ = resolve(stored, earlier.owner, store, data_dir)
    space = search_space(strategy, model.parameter_space_json() or None, model.constraints)
    return TrialHistory(space, objective=model.objective_function.to_objective())
