"""Analyses, predictions, comparisons and reports of stored tasks, as JSON values; for child processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strategy_optimizer.analysis import (
    Predictor,
    analyse,
    analyse_trials,
    compare_optimizers,
    compare_tasks,
)
from strategy_optimizer.analysis.comparable import same_problem
from strategy_optimizer.errors import StrategyOptimizerError, TaskError
from strategy_optimizer.plain import as_plain
from strategy_optimizer.reading.bounded import BoundedCache
from strategy_optimizer.reading.stored import demand_kernel, stored_history, stored_result
from strategy_optimizer.report import Material, find_material, report_data
from strategy_optimizer.report.page import html_page
from strategy_optimizer.storage import Store
from strategy_optimizer.tasks import Result
from strategy_optimizer.workers.inputs import read_document, resolve

PREDICTORS = 1 << 28
"""Bytes of the histories whose models are kept for the next prediction."""
_BYTES_OF_TRIAL = 400
_predictors = BoundedCache[tuple[str, str, int], Predictor](
    PREDICTORS, lambda predictor: _BYTES_OF_TRIAL * len(predictor.history)
)


def analysis(store: Store, task_id: str, trials: int) -> dict[str, Any]:
    """Return what the first trials of a task say; of all of an ended one as ``analyse --json`` does.

    Of a task on an engine it is what the trials say, also when it has ended.
    """
    history = stored_history(store, task_id, trials)
    is_of_kernel = not store.tasks.get(task_id).document.get("engine")
    if is_of_kernel and store.tasks.result(task_id) is not None:
        return {**analyse(stored_result(store, task_id, history)).to_dict(), "task_id": task_id}
    return analyse_trials(task_id, history).to_dict()


def prediction(
    store: Store,
    task_id: str,
    created: str,
    trials: int,
    parameters: Mapping[str, Any],
    metrics: Sequence[str] | None,
) -> dict[str, Any]:
    """Return what parameters are likely to measure, by the first trials of a task; `created` tells tasks apart."""
    predictor = _predictors.get(
        (task_id, created, trials), lambda: Predictor(stored_history(store, task_id, trials))
    )
    history = predictor.history
    known = {name: parameter.default_value for name, parameter in history.space.parameters.items()}
    if history.best is not None:
        known |= history[history.best].parameters
    found: dict[str, Any] = as_plain(predictor.predict({**known, **parameters}, metrics))
    return {"task_id": task_id, **found}


def comparison(store: Store, task_ids: Sequence[str]) -> dict[str, Any]:
    """Return tasks beside each other, and their optimizers when these have searched the same."""
    for task_id in task_ids:
        demand_kernel(store, task_id, "data to compare")
    results = [stored_result(store, task_id) for task_id in task_ids]
    rows = [
        {**as_plain(row), "task_id": task_id}
        for task_id, row in zip(task_ids, compare_tasks(results), strict=True)
    ]
    optimizers, why_not = _optimizers(results)
    return {"tasks": rows, "optimizers": optimizers, "why_not": why_not}


def _optimizers(results: Sequence[Result]) -> tuple[Any, str | None]:
    if not same_problem(results):
        return (
            None,
            "they are not of one strategy, data, space, objective, costs and rules, with one objective",
        )
    try:
        return as_plain(compare_optimizers(results)), None
    except TaskError as error:
        return None, str(error)


def report(store: Store, task_id: str, trials: int, walk_forward: bool, data_dir: str) -> str:
    """Return the report of a task that has ended, as an HTML page."""
    demand_kernel(store, task_id, "report")
    result = stored_result(store, task_id, stored_history(store, task_id, trials))
    return html_page(
        report_data(result, _material(store, task_id, result, Path(data_dir)), windows=walk_forward)
    )


def _material(store: Store, task_id: str, result: Result, data_dir: Path) -> Material | str:
    """Return the strategy and the bars of a task, or why they are not at hand."""
    task = store.tasks.get(task_id)
    try:
        strategy, bars = resolve(read_document(task.document), task.owner, store, data_dir)
        return find_material(result, strategy, bars)
    except StrategyOptimizerError as error:
        return str(error)
