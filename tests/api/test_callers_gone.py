"""Callers that go, over a real connection: what was computed for them ends, and its process is free."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from strategy_optimizer.access.principal import ROLE_SCOPES, Principal
from strategy_optimizer.api.app import create_app
from strategy_optimizer.api.reading import Reading
from strategy_optimizer.api.service import Service
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import Store

ASK = "GET /api/v1/optimize/opt_ga/{} HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def served(searched: Store, tmp_path: Any) -> Iterator[tuple[int, Reading]]:
    """The port of a server, and its reading part."""
    ada = Principal("ada", "ada", "operator", ROLE_SCOPES["operator"])
    app: FastAPI = create_app(Service(searched, ServiceSettings(data_dir=tmp_path), lambda connection: ada))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1], app.state.reading
        server.should_exit = True
        thread.join()
    assert app.state.reading.computed.pool.processes == []


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.05)
    pytest.fail("it did not come true in 60 s")


def ask(port: int, path: str) -> socket.socket:
    caller = socket.create_connection(("127.0.0.1", port), timeout=60)
    caller.sendall(ASK.format(path).encode())
    return caller


@pytest.mark.parametrize(("path", "pool"), [("analysis", "computed"), ("export", "files")])
def test_what_nobody_waits_for_is_ended(served: tuple[int, Reading], path: str, pool: str) -> None:
    port, reading = served
    processes = getattr(reading, pool).pool
    caller = ask(port, path)
    until(lambda: bool(processes._busy))
    caller.close()
    until(lambda: not processes._busy)
    # A call that had ended would have left its process warm.
    assert processes.processes == []
    with ask(port, path) as another:
        assert another.recv(15) == b"HTTP/1.1 200 OK"


def test_it_goes_on_while_one_of_two_waits(served: tuple[int, Reading]) -> None:
    port, reading = served
    processes = reading.computed.pool
    first = ask(port, "analysis")
    until(lambda: bool(processes._busy))
    with ask(port, "analysis") as second:
        until(lambda: any(flight.waiting == 2 for flight in reading.computed._flights.values()))
        (child,) = processes.processes
        first.close()
        assert second.recv(15) == b"HTTP/1.1 200 OK"
    assert processes.processes == [child]
