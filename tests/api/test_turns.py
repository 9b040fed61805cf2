"""Users get their turn at what is computed: none of them waits for all that another one has asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from strategy_optimizer.access.principal import ROLE_SCOPES, Principal
from strategy_optimizer.api.app import create_app
from strategy_optimizer.api.service import Service
from strategy_optimizer.api.turns import CallCancelledError, Turns
from strategy_optimizer.errors import ComputationBusyError, TooManyRequestsError
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import Store


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.02)
    pytest.fail("it did not come true in 24 s")


class Line:
    """Users who stand in line one after the other, and the order in which they get their places."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.got: list[str] = []
        self._threads = ThreadPoolExecutor(20)

    def stand(self, name: str, cancelled: threading.Event | None = None) -> Future[None]:
        """Let ``user-number`` wait, and return when they do."""
        before = self.turns.waiting
        standing = self._threads.submit(self._take, name, cancelled or threading.Event())
        until(lambda: self.turns.waiting == before + 1)
        return standing

    def give_back(self, user: str) -> None:
        """Give a place back, and return when the next one has it."""
        before = len(self.got)
        self.turns.give_back(user)
        until(lambda: len(self.got) == before + 1)

    def _take(self, name: str, cancelled: threading.Event) -> None:
        self.turns.take(name.partition("-")[0], cancelled)
        self.got.append(name)


def take(turns: Turns, *users: str) -> None:
    for user in users:
        turns.take(user, threading.Event())


def test_a_free_place_goes_to_who_holds_the_fewest() -> None:
    line = Line(Turns(2, waiting=16, patience=60.0))
    take(line.turns, "ada", "ada")
    for name in ("ada-1", "ada-2", "ada-3", "ben-1", "eve-1", "ben-2"):
        line.stand(name)
    for user in ("ada", "ada", "ben", "eve", "ada", "ben"):
        line.give_back(user)
    assert line.got == ["ben-1", "eve-1", "ada-1", "ben-2", "ada-2", "ada-3"]
    for user in ("ada", "ada"):
        line.turns.give_back(user)
    take(line.turns, "ben", "ben")  # nothing was lost on the way: both places are free


def test_with_one_place_it_goes_from_one_to_the_other() -> None:
    line = Line(Turns(1, waiting=16, patience=60.0))
    take(line.turns, "ada")
    for name in ("ada-1", "ada-2", "ada-3", "ben-1", "ben-2"):
        line.stand(name)
    for user in ("ada", "ben", "ada", "ben", "ada"):
        line.give_back(user)
    assert line.got == ["ben-1", "ada-1", "ben-2", "ada-2", "ada-3"]


def test_one_user_has_half_of_the_places_to_wait() -> None:
    line = Line(Turns(1, waiting=6, patience=60.0))
    take(line.turns, "ada")
    for number in range(3):
        line.stand(f"ada-{number}")
    with pytest.raises(TooManyRequestsError, match="3 requests of yours wait") as raised:
        take(line.turns, "ada")
    assert raised.value.retry_after == 5.0
    for number in range(3):
        line.stand(f"ben-{number}")
    with pytest.raises(ComputationBusyError, match="6 wait already"):
        take(line.turns, "eve")
    for user in ("ada", "ben") * 3:
        line.give_back(user)


def test_who_goes_makes_room_and_loses_no_place() -> None:
    line = Line(Turns(1, waiting=2, patience=60.0))
    take(line.turns, "ada")
    cancelled = threading.Event()
    going = line.stand("ada-1", cancelled)
    cancelled.set()
    with pytest.raises(CallCancelledError):
        going.result(timeout=60)
    assert line.turns.waiting == 0
    line.stand("ada-2")
    line.give_back("ada")
    assert line.got == ["ada-2"]


def test_a_place_that_comes_to_who_has_just_gone_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(1, waiting=4, patience=60.0)
    take(turns, "ada")

    def gone(*_: object) -> None:
        turns.give_back("ada")  # the place is given to who is about to leave
        raise CallCancelledError

    monkeypatch.setattr(turns, "_wait", gone)
    with pytest.raises(CallCancelledError):
        take(turns, "ben")
    monkeypatch.undo()
    take(turns, "eve")  # does not wait


def test_one_user_may_have_fewer_than_all_places() -> None:
    line = Line(Turns(3, of_user=2, waiting=16, patience=60.0))
    take(line.turns, "ada", "ada")
    for name in ("ada-1", "ada-2"):
        line.stand(name)  # though a place is free
    take(line.turns, "ben")
    line.stand("ben-1")
    line.give_back("ben")
    line.give_back("ada")
    line.give_back("ada")
    assert line.got == ["ben-1", "ada-1", "ada-2"]


def test_who_waits_for_themselves_is_told_so() -> None:
    turns = Turns(2, of_user=1, waiting=4, patience=0.2)
    take(turns, "ada")
    with pytest.raises(ComputationBusyError, match=r"for one user, 1 of 2 processes, was busy for 0\.2 s"):
        take(turns, "ada")
    take(turns, "ben")
    with pytest.raises(ComputationBusyError, match="all 2 processes were busy"):
        take(turns, "eve")


@pytest.fixture
def service(searched: Store, tmp_path: Path) -> Iterator[TestClient]:
    """A service whose users say their names."""
    users = {name: Principal(name, name, "operator", ROLE_SCOPES["operator"]) for name in ("ada", "bob")}
    app = create_app(
        Service(searched, ServiceSettings(data_dir=tmp_path), lambda asked: users[asked.headers["name"]])
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_many_questions_of_one_leave_room_for_another(service: TestClient) -> None:
    pool = service.app.state.reading.computed.pool  # type: ignore[attr-defined]
    take(pool._turns, *["ada"] * pool.limits.processes)  # as if she computed something long

    def predict(user: str, task: str, value: int) -> tuple[int, str, str]:
        answer = service.post(
            f"/api/v1/optimize/{task}/prediction",
            json={"parameters": {"lookback_period": value}},
            headers={"name": user},
        )
        return answer.status_code, answer.json().get("type", ""), answer.headers.get("retry-after", "")

    half = pool.limits.waiting // 2
    with ThreadPoolExecutor(half + 1) as threads:
        asked = [threads.submit(predict, "ada", "opt_ga", 20 + number) for number in range(half)]
        until(lambda: pool.waiting == half)
        assert predict("ada", "opt_ga", 60) == (429, "/problems/too-many-requests", "5")
        other = threads.submit(predict, "bob", "opt_bobs", 60)
        until(lambda: pool.waiting == half + 1)
        pool._turns.give_back("ada")
        assert other.result(timeout=60)[0] == 200
        pool._turns.give_back("ada")
        assert {each.result(timeout=120)[0] for each in asked} <= {200, 503}
    assert pool.waiting == 0
