"""Following a task over a websocket: each event once and in order, however often the connection breaks."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.service.live import PATIENT
from tests.service.server import Running, serving

from fault_proxy import FaultProxy
from strategy_optimizer.client import AsyncClient, Client, Patience
from strategy_optimizer.client.following import TaskFrame
from strategy_optimizer.errors import ServiceError, ServiceUnreachableError
from strategy_optimizer.models.frames import ChannelName, EndFrame, EventsFrame, SnapshotFrame

KINDS: dict[ChannelName, set[str]] = {
    "progress": {"state", "progress"},
    "results": {"state", "improvement", "verdict"},
    "convergence": {"state", "point"},
}
TASK: dict[str, Any] = {
    "strategy_name": "momentum",
    "data": "nasdaq",
    "optimization_type": "ga",
    "optimization_config": {"population_size": 20, "generations": 150},
}
SHORT = TASK | {"optimization_type": "random", "optimization_config": {"n_calls": 60}}


@pytest.fixture(scope="module")
def ended(service: Running) -> str:
    """A task that has ended."""
    with Client(service.url, service.key, patience=PATIENT) as client:
        task = client.start(SHORT)
        assert client.wait(task.task_id, timeout=240.0).status == "completed"
    return task.task_id


@pytest.fixture
def proxy(service: Running) -> Iterator[FaultProxy]:
    proxy = FaultProxy(service.port)
    yield proxy
    proxy.close()


def assert_whole(frames: Iterable[TaskFrame], after: int) -> None:
    """Each number after the first one is in exactly one range, and each event in its own."""
    *parts, end = frames
    assert isinstance(end, EndFrame)
    for part in parts:
        assert isinstance(part, EventsFrame)
        assert part.first == after + 1
        assert all(part.first <= event.seq <= part.seq for event in part.events)
        assert sorted({event.seq for event in part.events}) == [event.seq for event in part.events]
        after = part.seq
    assert end.seq == after


@pytest.mark.parametrize("channel", KINDS)
def test_a_task_from_its_beginning(client: Client, ended: str, channel: ChannelName) -> None:
    frames = list(client.watch(ended, channel, after=0))
    assert_whole(frames, 0)
    seen = [event for frame in frames if isinstance(frame, EventsFrame) for event in frame.events]
    assert {event.kind for event in seen} == KINDS[channel]
    states = [event.data["state"] for event in seen if event.kind == "state"]
    assert (states[0], states[-1]) == ("queued", "completed")
    end = frames[-1]
    assert isinstance(end, EndFrame)
    assert end.status == "completed"
    assert (end.result is not None) == (channel == "results")
    assert (end.convergence_analysis is not None) == (channel == "convergence")


def test_from_now_on_or_from_where_one_was(client: Client, ended: str) -> None:
    snapshot, end = client.watch(ended)
    assert isinstance(snapshot, SnapshotFrame)
    assert isinstance(end, EndFrame)
    assert snapshot.task.trials == 60
    assert_whole(client.watch(ended, after=3), 3)
    assert [frame.type for frame in client.watch(ended, after=snapshot.seq)] == ["end"]
    restored = [frame.type for frame in client.watch(ended, after=snapshot.seq + 1000)]
    assert restored == ["snapshot", "end"]  # the database is another one


def test_however_often_the_connection_breaks(service: Running, proxy: FaultProxy) -> None:
    with Client(f"http://127.0.0.1:{proxy.port}", service.key, patience=Patience(120.0, 20, 0.02)) as client:
        task = client.start(TASK)
        frames: list[TaskFrame] = []
        cuts = 0
        for frame in client.watch(task.task_id, "convergence", after=0):
            frames.append(frame)
            if cuts < 8:
                cuts += 1
                proxy.cut()
                threading.Timer(0.1, proxy.mend).start()
    assert cuts > 2
    assert_whole(frames, 0)


def test_over_a_new_start_of_the_service(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    frames: list[TaskFrame] = []
    with serving(tmp_path / "data", "--workers", "1", "--port", port) as first:
        client = Client(first.url, first.key, patience=Patience(60.0, 20, 0.25))
        task_id = client.start(TASK).task_id

        def follow() -> None:
            frames.extend(client.watch(task_id, "progress", after=0))

        following = threading.Thread(target=follow)
        following.start()
        until_trials(client, task_id, 100)
        first.stop(signal.SIGTERM)
    with serving(tmp_path / "data", "--workers", "1", "--port", port):
        following.join(240.0)
        assert not following.is_alive()
    client.close()
    assert_whole(frames, 0)


def until_trials(client: Client, task_id: str, trials: int) -> None:
    end = time.monotonic() + 240.0
    while client.status(task_id).trials < trials:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_awaited_form_follows_several_at_once(service: Running, client: Client) -> None:
    ids = [client.start(SHORT).task_id for _ in range(2)]

    async def follow() -> list[list[TaskFrame]]:
        async with AsyncClient(service.url, service.key, patience=PATIENT) as awaited:

            async def one(task_id: str, channel: ChannelName) -> list[TaskFrame]:
                return [frame async for frame in awaited.watch(task_id, channel, after=0)]

            return await asyncio.gather(*(one(task_id, channel) for task_id in ids for channel in KINDS))

    for frames in asyncio.run(follow()):
        assert_whole(frames, 0)


def test_one_may_stop_at_any_time(client: Client, ended: str) -> None:
    frames = client.watch(ended, after=0)
    first = next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert_whole([first, *client.watch(ended, after=first.seq)], 0)


@pytest.mark.parametrize(
    ("key", "task", "status", "said"),
    [
        ("own", "opt_none", 404, "there is no task 'opt_none'"),
        ("own", "a/b c", 404, "there is no WS /ws/optimize/a/b c/progress"),
        (None, "own", 401, "this needs a key"),
        ("so_nothing", "own", 401, "this is no key"),
    ],
)
def test_what_is_refused(
    service: Running, ended: str, key: str | None, task: str, status: int, said: str
) -> None:
    key, task = service.key if key == "own" else key, ended if task == "own" else task
    with Client(service.url, key, patience=Patience(retries=0)) as client:
        with pytest.raises(ServiceError, match=said) as raised:
            list(client.watch(task))
        assert raised.value.status == status


def test_a_key_that_is_revoked_meanwhile(service: Running, client: Client) -> None:
    made = client.make_key("follows", scopes=["read"])
    task_id = client.start(
        TASK | {"optimization_config": {"population_size": 20, "generations": 20_000}}
    ).task_id
    with Client(service.url, made.key, patience=PATIENT) as reader:
        frames = reader.watch(task_id)
        assert isinstance(next(frames), SnapshotFrame)
        client.revoke_key(made.key_id)
        with pytest.raises(ServiceError) as raised:
            list(frames)
    client.cancel(task_id)
    assert (raised.value.status, raised.value.kind) == (401, "not-authenticated")


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        Client(f"http://127.0.0.1:{port}", patience=Patience(1.0, 2, 0.001)) as client,
        pytest.raises(ServiceUnreachableError, match="asked 3 times"),
    ):
        next(client.watch("opt_1"))
