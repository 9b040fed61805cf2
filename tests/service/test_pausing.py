"""Pausing as people use it, on a real service: at any moment, twice, with processes that die, over a restart."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.service.live import PATIENT
from tests.service.server import Running, serving

from strategy_optimizer.client import Client
from strategy_optimizer.errors import ServiceError
from strategy_optimizer.models.service_task import StatusOut

LONG = 240.0
TRIALS = 4000
TASK = {
    "strategy_name": "momentum",
    "data": "nasdaq",
    "optimization_type": "ga",
    "optimization_config": {"population_size": 20, "generations": TRIALS // 20},
}


@pytest.fixture(scope="module")
def whole(service: Running) -> list[float | None]:
    """The scores of a task that nobody paused."""
    with Client(service.url, service.key, patience=PATIENT) as client:
        task = client.start(TASK)
        assert client.wait(task.task_id, timeout=LONG).status == "completed"
        return scores(client, task.task_id)


def scores(client: Client, task_id: str) -> list[float | None]:
    return [trial.performance.composite_score for trial in client.all_trials(task_id)]


def until(client: Client, task_id: str, holds: Callable[[StatusOut], bool]) -> StatusOut:
    end = time.monotonic() + LONG
    while not holds(status := client.status(task_id)):
        assert time.monotonic() < end, status
        time.sleep(0.05)
    return status


def searching(client: Client) -> str:
    """Return a new task that has made some of its trials."""
    task_id = client.start(TASK).task_id
    assert until(client, task_id, lambda status: status.trials > 100).status == "running"
    return task_id


def is_paused(status: StatusOut) -> bool:
    return status.status == "paused"


def assert_goes_on(client: Client, task_id: str, whole: list[float | None]) -> None:
    assert client.resume(task_id).status == "queued"
    assert client.wait(task_id, timeout=LONG).status == "completed"
    assert scores(client, task_id) == whole


def test_at_once_after_it_was_made(client: Client, whole: list[float | None]) -> None:
    task_id = client.start(TASK).task_id
    client.pause(task_id)
    assert until(client, task_id, is_paused).trials < TRIALS
    assert_goes_on(client, task_id, whole)


def test_twice_and_what_is_not_paused(client: Client, whole: list[float | None]) -> None:
    task_id = searching(client)
    assert client.resume(task_id).status == "running"  # nothing is to be done
    for _ in range(2):
        status = client.pause(task_id)
        assert status.status == "paused" or status.pause_requested
    until(client, task_id, is_paused)
    assert client.pause(task_id).status == "paused"
    assert_goes_on(client, task_id, whole)
    for wish in (client.pause, client.resume):
        with pytest.raises(ServiceError, match=r"is completed and cannot become .*; it has ended") as raised:
            wish(task_id)
        assert (raised.value.status, raised.value.kind) == (409, "wrong-state")


def test_while_its_worker_is_killed(service: Running, client: Client, whole: list[float | None]) -> None:
    task_id = searching(client)
    (worker,) = psutil.Process(service.process.pid).children()
    os.kill(worker.pid, signal.SIGSTOP)  # so that it cannot obey before it dies
    status = client.pause(task_id)
    assert (status.status, status.pause_requested) == ("running", True)
    os.kill(worker.pid, signal.SIGKILL)
    paused = until(client, task_id, lambda status: status.status != "running")
    assert (paused.status, paused.pause_requested) == ("paused", False)
    assert 100 < paused.trials < TRIALS
    assert_goes_on(client, task_id, whole)


def test_cancelled_while_it_is_paused(client: Client) -> None:
    task_id = searching(client)
    client.pause(task_id)
    trials = until(client, task_id, is_paused).trials
    status = client.cancel(task_id)
    assert (status.status, status.stop_reason, status.trials) == ("cancelled", "cancelled", trials)
    assert client.history(task_id, limit=1).total == trials
    with pytest.raises(ServiceError, match="is cancelled and cannot become queued; it has ended"):
        client.resume(task_id)


def test_the_service_is_started_anew(tmp_path: Path, whole: list[float | None]) -> None:
    with serving(tmp_path / "data", "--workers", "1") as first:
        with Client(first.url, first.key, patience=PATIENT) as client:
            task_id = searching(client)
            client.pause(task_id)
            trials = until(client, task_id, is_paused).trials
        assert first.stop(signal.SIGTERM) == 0
    with (
        serving(tmp_path / "data", "--workers", "1") as second,
        Client(second.url, second.key, patience=PATIENT) as client,
    ):
        other = client.start(TASK, optimization_config={"population_size": 20, "generations": 1}).task_id
        assert client.wait(other, timeout=LONG).status == "completed"  # the worker had its chance
        assert (client.status(task_id).status, client.status(task_id).trials) == ("paused", trials)
        assert_goes_on(client, task_id, whole)
