"""The API while PostgreSQL is taken away: killed, or frozen so that connections stay and nothing answers."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx2
import psutil
import pytest
from tests.service.server import Running, serving

from storage_worlds import Postgres

PATIENCE = 120.0
"""Seconds; the machine may be busy with other things."""
HELD = 20.0
"""Seconds that a request was held before the API had a patience of its own."""


class Server:
    """The processes of a PostgreSQL of this test's own."""

    def __init__(self) -> None:
        self.postgres = Postgres()
        self.url = self.postgres.create()

    def _family(self) -> list[psutil.Process]:
        main = psutil.Process(self.postgres._server.get_pid())
        return [main, *main.children(recursive=True)]

    def _send(self, number: int) -> None:
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def kill(self) -> None:
        family = self._family()
        self._send(signal.SIGKILL)
        psutil.wait_procs(family, timeout=60)

    def start(self) -> None:
        self.postgres._server.ensure_postgres_running()

    def freeze(self) -> None:
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.thaw()
    server.postgres.close()


class Asking:
    """Asks a service; from many threads at once."""

    def __init__(self, service: Running) -> None:
        self._http = httpx2.Client(
            base_url=service.url,
            headers={"Authorization": f"Bearer {service.key}"},
            timeout=PATIENCE,
            limits=httpx2.Limits(max_connections=200),
        )

    def __call__(self, path: str) -> tuple[httpx2.Response, float]:
        """Return the answer and how long it was waited for."""
        begun = time.monotonic()
        answer = self._http.get(path)
        return answer, time.monotonic() - begun

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def ask(server: Server, tmp_path: Path) -> Iterator[Asking]:
    variables = {"STRATEGY_OPTIMIZER_DATABASE_URL": server.url}
    with serving(tmp_path / "data", "--workers", "0", variables=variables) as service:
        asking = Asking(service)
        yield asking
        asking.close()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(("take", "bring"), [("kill", "start"), ("freeze", "thaw")])
def test_requests_are_refused_soon_and_others_are_answered(
    server: Server, ask: Asking, take: str, bring: str
) -> None:
    assert ask("/api/v1/me")[0].status_code == 200
    assert ask("/ready")[0].json() == {"ready": True, "database": "ok"}
    getattr(server, take)()
    answered: Counter[int] = Counter()
    over = threading.Event()

    def ask_beside() -> None:
        while not over.is_set():
            answered[ask("/openapi.json")[0].status_code] += 1  # needs a thread, and no database
            time.sleep(0.2)

    # Twice as many as the API has threads, and three times over: in the old way the last waited for minutes.
    with ThreadPoolExecutor(82) as pool:
        beside = pool.submit(ask_beside)
        ready = pool.submit(ask, "/ready")
        found = list(pool.map(lambda _: ask("/api/v1/optimize/tasks"), range(240)))
        over.set()
        beside.result()
    assert {answer.status_code for answer, _ in found} == {503}
    answer = found[0][0]
    assert answer.json()["type"] == "/problems/store-unavailable"
    assert answer.headers["retry-after"] == "5"
    assert max(seconds for _, seconds in found) < HELD
    assert ready.result()[0].status_code == 503
    assert ready.result()[1] < HELD
    assert answered.keys() == {200}
    assert ask("/health")[0].status_code == 200
    assert ask("/ready")[0].json() == {"ready": False, "database": "unavailable"}
    getattr(server, bring)()
    wait_for(lambda: ask("/api/v1/optimize/tasks")[0].status_code == 200)
    assert ask("/ready")[0].status_code == 200
