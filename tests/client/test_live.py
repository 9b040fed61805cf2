"""The client as a newcomer uses it, against a real service and its worker: all of it, and what is wrong is said."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.api.worlds import make_csv
from tests.service.live import PATIENT
from tests.service.server import Running

from strategy_optimizer.client import AsyncClient, Client, Patience
from strategy_optimizer.errors import ServiceError, ServiceUnreachableError

TRIALS = 60
TASK = {
    "strategy_name": "momentum",
    "data": "nasdaq",
    "optimization_type": "random",
    "optimization_config": {"n_calls": TRIALS},
}


@pytest.fixture(scope="module")
def task_id(service: Running) -> str:
    """A task that has ended, which was followed from its first event to its last."""
    with Client(service.url, service.key, patience=PATIENT) as client:
        task = client.start(TASK)
        seen = list(client.events(task.task_id))
        assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
        assert (seen[0]["data"]["state"], seen[-1]["data"]["state"]) == ("queued", "completed")
        assert "verdict" in [event["kind"] for event in seen]
    return task.task_id


def test_what_came_of_a_task(client: Client, task_id: str, tmp_path: Path) -> None:
    assert client.wait(task_id).trials == TRIALS
    result = client.results(task_id)
    best = client.best_parameters(task_id)
    assert best.best_parameters == result.best_parameters
    assert client.validation(task_id)["verdict"]["decision"] == best.verdict
    table = pl.read_parquet(client.export(task_id, tmp_path / "trials.parquet"))
    assert table["trial"].to_list() == list(range(1, TRIALS + 1))
    assert client.predict(task_id, {"lookback_period": 50}).trials == TRIALS
    assert client.analysis(task_id).task_id == task_id
    page = client.report(task_id, tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    top = client.history(task_id, sort="score", order="descending", limit=1).optimization_history[0]
    assert top.parameters == result.best_parameters
    copy = client.clone(task_id, optimization_config={"n_calls": 20})
    assert client.wait(copy.task_id).trials == 20


def test_datasets_schedules_and_webhooks(client: Client, tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_bytes(make_csv(800))
    dataset = client.upload(tmp_path / "bars.csv", "mine")
    assert [each.name for each in client.datasets()] == ["mine"]
    config = {"optimization_type": "random", "optimization_config": {"n_calls": np.int64(10)}}
    schedule = client.schedule(
        strategy_name="momentum", data="mine", cron="30 6 * * 1", timezone="Europe/Berlin", task=config
    )
    assert [each.schedule_id for each in client.schedules()] == [schedule.schedule_id]
    made = client.run_schedule(schedule.schedule_id)
    assert client.wait(made.task_id).status == "completed"
    client.delete_schedule(schedule.schedule_id)
    client.delete_dataset(dataset.id)
    assert (client.datasets(), client.schedules(), client.webhooks()) == ([], [], [])
    key = client.make_key("reads", scopes=["read"], expires_at="2999-01-01T00:00:00Z")
    own = client.keys()
    assert "reads" in [each.name for each in own]
    client.revoke_key(key.key_id)


Wrong = Callable[[Client, str, Path], Any]


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        (lambda c, *_: c.start(strategy_name="momentun"), 422, "did you mean 'momentum'?"),
        (lambda c, *_: c.start(TASK, data="nasdak"), 422, "did you mean 'nasdaq'?"),
        (lambda c, *_: c.start(TASK, data=Path("bars.csv")), None, "PosixPath cannot be sent as JSON"),
        (
            lambda c, *_: c.start(TASK, deadline=float("nan")),
            None,
            "cannot be sent as JSON: Out of range float values",
        ),
        (lambda c, *_: c.status("opt_none"), 404, "there is no task 'opt_none'"),
        (lambda c, task, _: c.history(task, limt=2), 422, "did you mean 'limit'?"),
        (lambda c, task, _: c.predict(task, {"lookback": 5}), 422, "did you mean 'lookback_period'?"),
        (lambda c, task, to: c.export(task, to / "trials.xls"), 422, "'csv', 'parquet' or 'json'"),
        (
            lambda c, task, to: c.export(task, to / "no" / "trials.csv"),
            None,
            "cannot be written: No such file",
        ),
        (lambda c, _, to: c.upload(to / "no.csv"), None, "cannot be read: No such file"),
        (lambda c, *_: c.resume("opt_none"), 404, "there is no task 'opt_none'"),
        (lambda c, task, _: c.pause(task), 409, "is completed and cannot become paused; it has ended"),
        (
            lambda c, *_: c.schedule(strategy_name="momentum", data="nasdaq", cron="daily"),
            422,
            "expected five (minute",
        ),
        (lambda c, *_: c.add_webhook("http://127.0.0.1:9/hook"), 422, "which is not of the internet"),
    ],
)
def test_what_is_wrong_is_said(
    client: Client, task_id: str, tmp_path: Path, wrong: Wrong, status: int | None, said: str
) -> None:
    with pytest.raises(ServiceError) as raised:
        wrong(client, task_id, tmp_path)
    assert raised.value.status == status
    assert said in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "said"),
    [(None, "this needs a key"), ("so_wrong", "this is no key"), ("ключ", "letters that no key")],
)
def test_a_key_that_is_none(
    service: Running, monkeypatch: pytest.MonkeyPatch, key: str | None, said: str
) -> None:
    monkeypatch.delenv("STRATEGY_OPTIMIZER_KEY", raising=False)
    with pytest.raises(ServiceError, match=said), Client(service.url, key) as client:
        client.me()


def test_what_is_computed_may_take_longer_than_an_answer(service: Running, task_id: str) -> None:
    hasty = Patience(timeout=0.3, retries=0)
    with Client(service.url, service.key, patience=hasty) as client:
        assert client.compare(task_id, task_id).tasks
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Client(f"http://127.0.0.1:{silent.getsockname()[1]}", patience=hasty) as client,
        pytest.raises(ServiceUnreachableError, match=r"a longer Patience\(timeout=\.\.\.\) waits longer"),
    ):
        client.health()


def test_the_awaited_form_does_the_same(service: Running, task_id: str, tmp_path: Path) -> None:
    async def use() -> tuple[Any, ...]:
        async with AsyncClient(service.url, service.key, patience=PATIENT) as client:
            task = await client.start(TASK, optimization_config={"n_calls": 10})
            kinds = [event["kind"] async for event in client.events(task.task_id)]
            file = await client.export(task.task_id, tmp_path / "trials.csv")
            best, same = await asyncio.gather(client.best_parameters(task_id), client.results(task_id))
            return kinds[-1], len(file.read_text().splitlines()), best.best_parameters == same.best_parameters

    assert asyncio.run(use()) == ("state", 11, True)
