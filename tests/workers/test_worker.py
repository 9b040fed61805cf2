"""Tasks from the store to their results, by a real worker, on both databases."""

from __future__ import annotations

import numpy as np

from strategy_optimizer import optimize
from strategy_optimizer.models import ResultModel
from strategy_optimizer.tasks import TrialHistory
from worker_worlds import World

UNTOLD = {"seconds", "trials_per_second", "task_id", "optimization_history", "validation"}
"""What differs between two runs of the same search: times; and the ledgers that the verdicts know."""


def test_a_task_is_run_and_its_result_is_that_of_the_library(world: World) -> None:
    task_id = world.add(600)
    task = world.wait(task_id)
    assert (task.state, task.stop_reason, task.error, task.trials) == ("completed", "budget", None, 600)
    found = world.store.tasks.result(task_id)
    assert found is not None
    model = ResultModel.model_validate(dict(found.document))
    assert model.task_id == task_id
    assert model.validation is not None
    mine = optimize("momentum", "nasdaq", "ga", evaluations=600, seed=1, ledger=False)
    assert plain(found.document) == plain(mine.to_dict())
    history = TrialHistory(mine.history.space, objective=None)
    world.store.trials.load(task_id, history)
    for name in ("points", "scores", "metrics"):
        np.testing.assert_array_equal(getattr(history, name), getattr(mine.history, name))


def plain(document: dict) -> dict:  # type: ignore[type-arg]
    kept = {name: value for name, value in document.items() if name not in UNTOLD}
    kept["notes"] = [note for note in kept["notes"] if "ledger" not in note]
    return kept
