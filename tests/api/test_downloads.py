"""Clients that read slowly, over real connections: others get their files, and the slow ones get theirs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path

import pytest

from stored_searches import ONE, add, search
from strategy_optimizer.access.principal import ROLE_SCOPES, Principal
from strategy_optimizer.api.app import create_app
from strategy_optimizer.api.downloads import Downloads
from strategy_optimizer.api.service import Service
from strategy_optimizer.api.serving import Server, make_config
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import Store

TRIALS = 16_000
"""About 5 MB as CSV: far more than fits between a server and a client who does not read."""


@pytest.fixture(scope="module")
def long_tasks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store in which ada and bob have the same long task."""
    result = search("random", TRIALS, ONE, validate=False)
    with Store(tmp_path_factory.mktemp("long") / "store.db") as store:
        store.upgrade()
        for user in ("ada", "bob"):
            store.accounts.add_user(user, "operator", user_id=user)
            add(store, user, f"opt_{user}", result, ONE, trials=TRIALS, batches=(1_000,))
        yield store


@pytest.fixture
def served(long_tasks: Store, tmp_path: Path) -> Iterator[tuple[int, Downloads]]:
    """The port of a server whose users say their names, and its downloads; it ends though clients do not read."""
    users = {name: Principal(name, name, "operator", ROLE_SCOPES["operator"]) for name in ("ada", "bob")}
    settings = ServiceSettings(data_dir=tmp_path)
    app = create_app(Service(long_tasks, settings, lambda asked: users[asked.headers["name"]]))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(make_config(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1], app.state.reading.files
        server.should_exit = True
        thread.join()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, "it did not come true in two minutes"
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def all_closed() -> Iterator[None]:
    yield
    while READERS:
        READERS.pop().close()


READERS: list[Reader] = []


class Reader:
    """A user who downloads their task, with so small a buffer that the server notices when nothing is read."""

    def __init__(self, port: int, user: str, kind: str = "csv") -> None:
        READERS.append(self)
        connection = HTTPConnection("127.0.0.1", port, timeout=120)
        connection.sock = socket.socket()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        connection.sock.connect(("127.0.0.1", port))
        path = f"/api/v1/optimize/opt_{user}/export?format={kind}"
        connection.request("GET", path, headers={"name": user})
        self._connection = connection
        self.answer: HTTPResponse = connection.getresponse()

    def read(self) -> bytes:
        """Return the whole file."""
        return self.answer.read()

    def close(self) -> None:
        """Go away."""
        self._connection.close()
        self.answer.close()


def test_slow_readers_hold_no_process_and_get_all(served: tuple[int, Downloads]) -> None:
    port, files = served
    slow = [Reader(port, "ada"), Reader(port, "ada", "json"), Reader(port, "ada")]
    assert [each.answer.status for each in slow] == [200] * 3
    until(lambda: not files.pool._busy and not files.pool.waiting)  # all are made, though none is read
    assert files.space.used > 6_000_000
    fast = Reader(port, "bob").read()
    assert fast.count(b"\n") == TRIALS + 1
    assert slow[0].read() == slow[2].read() == fast
    assert slow[1].read().count(b'"trial"') == TRIALS
    until(lambda: files.space.used == 0 and not files._open)


def test_who_leaves_too_much_unread_holds_one_process_of_their_own(
    served: tuple[int, Downloads],
) -> None:
    port, files = served
    files.space._of_user = 2_000_000
    slow = Reader(port, "ada")
    until(lambda: files.space.used > 500_000)
    with ExitStack() as stack:
        waiting = threading.Thread(target=lambda: second.append(Reader(port, "ada")))
        second: list[Reader] = []
        stack.callback(waiting.join)
        waiting.start()
        until(lambda: files.pool.waiting == 1)
        for _ in range(2):  # the other process is for others, one after the other
            assert Reader(port, "bob").read().count(b"\n") == TRIALS + 1
        assert len(files.pool._busy) == 1
        whole = slow.read()
    assert whole.count(b"\n") == TRIALS + 1
    assert second[0].read() == whole


def test_a_user_has_so_many_downloads(served: tuple[int, Downloads]) -> None:
    port, files = served
    slow = [Reader(port, "ada") for _ in range(4)]
    refused = Reader(port, "ada").answer
    assert (refused.status, refused.headers["Retry-After"]) == (429, "5")
    assert b"4 downloads of yours are not read to their ends yet" in refused.read()
    assert Reader(port, "bob").answer.status == 200
    slow[0].close()
    until(lambda: sum(each.user == "ada" for each in files._open) == 3)
    assert Reader(port, "ada").answer.status == 200


def test_who_stands_still_is_given_up_and_does_not_take_the_part_for_the_whole(
    served: tuple[int, Downloads],
) -> None:
    port, files = served
    files._stalled = 0.5
    still = Reader(port, "ada")
    until(lambda: not files._open)
    assert files.space.used == 0
    with pytest.raises((IncompleteRead, ConnectionError)):
        still.read()


def test_nobody_is_left_when_the_service_ends(served: tuple[int, Downloads]) -> None:
    port, files = served
    files.space._of_user = 500_000
    Reader(port, "ada")
    until(lambda: files.space.used > 0)
    files.close()
    until(lambda: files.space.used == 0)
    until(lambda: files.pool.processes == [])
    assert not [thread for thread in files._threads._threads if not _ends(thread)]


def _ends(thread: threading.Thread) -> bool:
    thread.join(60)
    return not thread.is_alive()
