"""Real searches in a real store, written as a worker writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strategy_optimizer import optimize
from strategy_optimizer.models import TaskModel
from strategy_optimizer.models.service_task import StoredTask, TaskIn
from strategy_optimizer.storage import NewTask, Store, TrialChunk
from strategy_optimizer.tasks import Result

PARETO = {"type": "pareto", "metrics": ["sharpe_ratio", "max_drawdown"]}
ONE = {"type": "multi_objective", "weights": {"sharpe_ratio": 1.0}, "constraints": ["trades >= 40"]}
SPACE = {
    "lookback_period": {"type": "discrete", "bounds": [10, 100]},
    "threshold": {"type": "continuous", "bounds": [0.0, 0.6]},
    "stop_loss": {"type": "continuous", "bounds": [0.01, 0.1]},
}
"""So wide that some trials fail for want of a trade."""


def search(
    optimizer: str, evaluations: int, objective: dict[str, Any], *, seed: int = 0, **more: Any
) -> Result:
    model = TaskModel(strategy_name="momentum", objective_function=objective)
    found = optimize(
        "momentum",
        "nasdaq",
        optimizer,
        evaluations=evaluations,
        objective=model.objective_function.to_objective(),
        seed=seed,
        space=SPACE,
        **more,
    )
    assert isinstance(found, Result)
    return found


def add(
    store: Store,
    owner: str,
    task_id: str,
    result: Result,
    objective: dict[str, Any],
    *,
    trials: int | None = None,
    batches: Sequence[int] = (1, 7, 64),
) -> None:
    """Store a search: all of it, or its first trials as of one that runs."""
    asked = TaskIn(
        strategy_name="momentum", data="nasdaq", objective_function=objective, parameter_space=SPACE
    )
    store.tasks.create(NewTask(owner, "momentum", StoredTask(task=asked).document(), id=task_id))
    lease = store.queue.lease("worker-1", 3600)
    assert lease is not None
    assert lease.task.id == task_id
    stop, at, turn = len(result.history) if trials is None else trials, 0, 0
    while at < stop:
        end = min(stop, at + batches[turn % len(batches)])
        store.trials.save(lease, TrialChunk.of(result.history, at, end), {"told": end})
        at, turn = end, turn + 1
    if trials is None:
        store.queue.finish(lease, "completed", stop_reason=result.stop_reason, result=result.to_dict())
