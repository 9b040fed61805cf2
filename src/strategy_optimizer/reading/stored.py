"""Searches as they lie in the store, brought back whole; for child processes."""

from __future__ import annotations

from strategy_optimizer.errors import TaskError, TaskStateError
from strategy_optimizer.models.reading import result_of
from strategy_optimizer.objective import parse_objective
from strategy_optimizer.reading.exporting import authors_of
from strategy_optimizer.storage import Store
from strategy_optimizer.tasks import Result, TrialHistory


def stored_history(store: Store, task_id: str, trials: int) -> TrialHistory:
    """Return the first trials of a task, without their block sums.

    Raises
    ------
    TaskStateError
        It has none.
    """
    history: TrialHistory | None = None
    for chunk in store.trials.read(task_id, 0, trials):
        if history is None:
            layout = chunk.layout
            # The scores are stored: of the objective only the names of the metrics count here.
            names = parse_objective({"metric": layout.metrics[0]}, names=layout.metrics)
            history = TrialHistory(layout.space, 0, layout.objective or names)
        chunk.without_sums().add_to(history)
    if history is None:
        state = store.tasks.get(task_id).state
        raise TaskStateError(
            f"the task {task_id} is {state} and has no trials yet", task=task_id, state=state
        )
    authors = authors_of(store, task_id)
    if authors:
        history.authors = [authors.get(number) for number in range(1, len(history) + 1)]
    return history


def demand_kernel(store: Store, task_id: str, what: str) -> None:
    """Refuse what rests on the bars and the metrics of the built-in kernel.

    Raises
    ------
    TaskError
        The task is one on an engine.
    """
    if store.tasks.get(task_id).document.get("engine"):
        raise TaskError(f"the task {task_id} is one on an engine with its own data: it has no {what}")


def stored_result(store: Store, task_id: str, history: TrialHistory | None = None) -> Result:
    """Return the result of a task; without a history it has no trials.

    Raises
    ------
    TaskStateError
        It has none.
    """
    record = store.tasks.result(task_id)
    if record is None:
        state = store.tasks.get(task_id).state
        raise TaskStateError(f"the task {task_id} is {state} and has no result", task=task_id, state=state)
    return result_of(record.document, history)
