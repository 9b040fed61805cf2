"""A service that listens on a port of this machine, and what the tests of its sockets do with it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from argon2 import profiles
from starlette.requests import HTTPConnection
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from strategy_optimizer.access.gate import Gate
from strategy_optimizer.access.passwords import Passwords
from strategy_optimizer.access.principal import ROLE_SCOPES, Principal
from strategy_optimizer.api.app import create_app
from strategy_optimizer.api.hub import Hub, Pace
from strategy_optimizer.api.service import Service
from strategy_optimizer.api.serving import Server, make_config
from strategy_optimizer.errors import NotAuthenticatedError
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import Lease, NewEvent, NewTask, Store

DOCUMENT = {"task": {"strategy_name": "momentum"}, "strategy_version": None, "data_digest": None}
LONG = 60.0
"""Seconds after which a test gives up."""
QUICK = Pace(poll=0.02, heartbeat=0.4, patience=1.0, check=0.2, tick=0.05)


@dataclass
class World:
    """A service with the users ada and ben (operators), vic (viewer) and root (admin); the key of each is the name."""

    store: Store
    server: Server
    hub: Hub
    port: int
    principals: dict[str, Principal]
    gate: Gate
    stack: ExitStack = field(default_factory=ExitStack)

    def add_task(self, task_id: str = "opt_1", owner: str = "ada") -> Lease:
        """Return the lease of a new task."""
        self.store.tasks.create(NewTask(owner, "momentum", DOCUMENT, id=task_id))
        lease = self.store.queue.lease("worker-1", 3600)
        assert lease is not None
        assert lease.task.id == task_id
        return lease

    def open(
        self,
        channel: str = "progress",
        *,
        task_id: str = "opt_1",
        key: str | None = "ada",
        query: str = "",
        **options: Any,
    ) -> ClientConnection:
        """Open a socket, which is closed with the service at the latest."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        connecting = connect(
            f"ws://127.0.0.1:{self.port}/ws/optimize/{task_id}/{channel}{query}",
            additional_headers=headers | options.pop("headers", {}),
            proxy=None,
            **{"close_timeout": 2, **options},
        )
        return self.stack.enter_context(connecting)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + LONG
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.01)


def receive(socket: ClientConnection) -> dict[str, Any]:
    """Return the next frame."""
    frame: dict[str, Any] = json.loads(socket.recv(timeout=LONG))
    return frame


def receive_until_end(socket: ClientConnection) -> list[dict[str, Any]]:
    """Return all frames, the last of them of the type end."""
    frames = [receive(socket)]
    while frames[-1]["type"] != "end":
        frames.append(receive(socket))
    return frames


def closing_of(socket: ClientConnection) -> tuple[int, str]:
    """Read until the server closes the socket; return its code and reason."""
    with suppress(ConnectionClosed):
        while True:
            receive(socket)
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


def progress(trials: int, **more: Any) -> NewEvent:
    return NewEvent("progress", {"progress": 0.1, "trials": trials, "best_score": trials / 10, **more})


@contextmanager
def serving(
    url: str | Path,
    folder: Path,
    *,
    pace: Pace = QUICK,
    patience: float = 20.0,
    own_gate: bool = False,
    **settings: Any,
) -> Iterator[World]:
    """Run a service; its users are told apart by the name in the header, or by its own gate."""
    principals: dict[str, Principal] = {}

    def authenticate(connection: HTTPConnection) -> Principal | None:
        given = connection.headers.get("authorization")
        if given is None:
            return None
        name = given.removeprefix("Bearer ")
        if name not in principals:
            raise NotAuthenticatedError("this key is not valid")
        return principals[name]

    def authenticate_again(principal: Principal) -> Principal:
        now = principals.get(principal.name)
        if now is None:
            raise NotAuthenticatedError("this key has been revoked")
        return now

    with Store(url, patience=patience) as store:
        store.upgrade()
        for name, role in (("ada", "operator"), ("ben", "operator"), ("vic", "viewer"), ("root", "admin")):
            store.accounts.add_user(name, role, user_id=name)
            principals[name] = Principal(name, name, role, ROLE_SCOPES[role])  # type: ignore[arg-type, index]
        chosen = ServiceSettings(data_dir=folder, **settings)
        if own_gate:
            gate = Gate(store, passwords=Passwords(profiles.CHEAPEST))
            service = Service(store, chosen, gate=gate, pace=pace)
        else:
            service = Service(store, chosen, authenticate, authenticate_again=authenticate_again, pace=pace)
        app = create_app(service)
        server = Server(make_config(app, host="127.0.0.1", port=0))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        world = World(store, server, app.state.hub, port, principals, service.gate)
        try:
            with world.stack:
                yield world
        finally:
            server.should_exit = True
            thread.join(LONG)
            assert not thread.is_alive(), "the server does not end"


def covered(frames: Sequence[dict[str, Any]], after: int) -> int:
    """Check that frames follow on each other without gap or repeat, and return how far they go."""
    for frame in frames:
        if frame["type"] == "events":
            assert frame["first"] == after + 1, (frame, after)
            assert frame["seq"] >= frame["first"]
            numbers = [event["seq"] for event in frame["events"]]
            assert numbers == sorted(set(numbers))
            assert all(frame["first"] <= number <= frame["seq"] for number in numbers)
            after = frame["seq"]
        assert frame["seq"] == after, (frame, after)
    return after
