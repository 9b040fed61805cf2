"""Tasks are cancelled, paused and ended at their deadline, whatever they are doing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from strategy_optimizer.storage import Listing, TaskRecord
from worker_worlds import World


def searches(task: TaskRecord) -> bool:
    return task.trials >= 50


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def entries(world: World) -> dict[str, int]:
    """Return the trials that the ledger has of each task."""
    return {
        record.task: record.summary["trials"]
        for record in world.store.ledger.page("ada", Listing("recorded", limit=1000)).rows
    }


def test_a_task_is_cancelled_and_keeps_its_trials(served: World) -> None:
    task_id = served.add(100_000, strategy="slow")
    before = served.wait(task_id, searches)
    served.store.tasks.cancel(task_id)
    task = served.wait(task_id)
    assert (task.state, task.stop_reason, task.error) == ("cancelled", "cancelled", None)
    assert before.trials <= task.trials == len(served.history(task_id))
    assert served.store.tasks.result(task_id) is None
    served.wait_until(lambda: task_id in entries(served))  # they count against later winners
    assert entries(served)[task_id] == task.trials


def test_a_task_that_cannot_be_asked_is_killed(served: World) -> None:
    """It hangs in compiled code, holds the interpreter's lock and blocks signals."""
    task_id = served.add(100_000, strategy="stuck")
    served.wait(task_id, lambda task: (served.folder / "strategies" / "stuck").exists())
    served.store.tasks.cancel(task_id)
    task = served.wait(task_id)
    assert (task.state, task.losses) == ("cancelled", 0)
    assert task.trials > 0


def test_a_paused_task_continues_as_if_nothing_had_happened(served: World) -> None:
    paused, whole = served.add(400, strategy="slow"), served.add(400, strategy="slow")
    served.wait(paused, searches)
    served.store.tasks.pause(paused)
    task = served.wait(paused, lambda task: task.state != "running")
    assert task.state == "paused"
    assert 50 <= task.trials < 400
    served.wait_until(lambda: paused in entries(served))  # it may never go on
    served.store.tasks.resume(paused)
    task = served.wait(paused)
    assert (task.state, task.attempts) == ("completed", 2)
    assert entries(served)[paused] == 400
    served.wait(whole)
    one, other = served.history(paused), served.history(whole)
    for name in ("points", "scores", "metrics", "blocks"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_task_in_its_validation_pauses_and_does_not_search_again(served: World) -> None:
    task_id = served.add(24, optimizer="random", strategy="very_slow")
    served.wait(task_id, lambda task: (task.progress or {}).get("stage") in ("reproduce", "validate"))
    served.store.tasks.pause(task_id)
    assert served.wait(task_id, lambda task: task.state != "running").state == "paused"
    before = served.history(task_id)
    assert len(before) == 24
    served.store.tasks.resume(task_id)
    task = served.wait(task_id)
    assert (task.state, task.stop_reason, task.error) == ("completed", "budget", None)
    np.testing.assert_array_equal(served.history(task_id).seconds, before.seconds)


def test_a_wish_to_pause_is_taken_back(served: World) -> None:
    task_id = served.add(600, strategy="slow")
    served.wait(task_id, searches)
    served.store.tasks.pause(task_id)
    served.store.tasks.resume(task_id)
    assert served.wait(task_id).state == "completed"


def test_at_its_deadline_a_task_ends_with_what_it_has(served: World) -> None:
    task_id = served.add(100_000, strategy="slow", deadline=in_seconds(12))
    task = served.wait(task_id)
    assert (task.state, task.stop_reason) == ("completed", "deadline")
    assert 0 < task.trials < 100_000
    found = served.store.tasks.result(task_id)
    assert found is not None
    assert found.document["stop_reason"] == "deadline"


@pytest.mark.parametrize("seconds", [-1.0])
def test_a_task_that_comes_too_late_fails(served: World, seconds: float) -> None:
    task = served.wait(served.add(1000, deadline=in_seconds(seconds)))
    assert (task.state, task.stop_reason, task.error) == (
        "failed",
        "deadline",
        "the deadline passed before a worker was free",
    )
