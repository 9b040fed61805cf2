"""The Python client against a real app; both forms."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from strategy_optimizer.access.principal import ROLE_SCOPES, Principal
from strategy_optimizer.api.app import create_app
from strategy_optimizer.api.service import Service
from strategy_optimizer.client import AsyncClient, Client, Patience
from strategy_optimizer.errors import ServiceError, ServiceUnreachableError, TaskError
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import Store

TASK = {
    "strategy_name": "momentum",
    "optimization_type": "ga",
    "optimization_config": {"population_size": 10, "generations": 5},
}
QUICK = Patience(timeout=5.0, retries=3, pause=0.001)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Any]:
    with Store(tmp_path / "store.db") as store:
        store.upgrade()
        user = store.accounts.add_user("ada", "operator")
        ada = Principal(user.id, "ada", "operator", ROLE_SCOPES["operator"])
        yield create_app(
            Service(store, ServiceSettings(data_dir=tmp_path, workers=0), lambda connection: ada)
        )


def run(app: Any, use: Callable[[AsyncClient], Any]) -> Any:
    async def work() -> Any:
        async with AsyncClient(
            "http://test", patience=QUICK, transport=httpx2.ASGITransport(app=app)
        ) as client:
            return await use(client)

    return asyncio.run(work())


def test_the_waiting_form_is_made_from_the_other() -> None:
    path = Path(__file__).with_name("make_sync.py")
    spec = importlib.util.spec_from_file_location("make_sync", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert (made.FOLDER / "sync_client.py").read_text(encoding="utf-8") == made.sync_source()
    names = [{n for n in vars(form) if not n.startswith("_")} for form in (Client, AsyncClient)]
    assert names[0] == names[1]


def test_a_task_from_start_to_cancel(app: Any) -> None:
    async def use(client: AsyncClient) -> None:
        task = await client.start(TASK, data="nasdaq", task_id="opt_1")
        assert (task.task_id, task.status, task.data) == ("opt_1", "queued", "nasdaq")
        assert (await client.pause("opt_1")).status == "paused"
        assert (await client.resume("opt_1")).status == "queued"
        assert (await client.set_priority("opt_1", 7)).priority == 7
        copy = await client.clone("opt_1", optimization_config={"generations": 2})
        assert (await client.task(copy.task_id)).task["optimization_config"]["generations"] == 2
        again = await client.rerun("opt_1")
        assert [t.task_id async for t in client.all_tasks()] == [again.task_id, copy.task_id, "opt_1"]
        assert (await client.cancel("opt_1")).status == "cancelled"
        assert (await client.wait("opt_1")).stop_reason == "cancelled"
        with pytest.raises(TaskError, match=r"still queued after 0\.01 seconds"):
            await client.wait(copy.task_id, timeout=0.01, every=0.01)

    run(app, use)


def test_the_ledger_is_shown_and_forgotten(app: Any) -> None:
    async def use(client: AsyncClient) -> None:
        page = await client.ledger(limit=5)
        assert (page.entries, page.total, page.next_cursor) == ([], 0, None)
        assert (await client.reset_ledger()).removed == 0
        with pytest.raises(ServiceError, match="there is no user 'ben'"):
            await client.ledger(owner="ben")

    run(app, use)


def test_errors_say_what_the_service_said(app: Any) -> None:
    async def use(client: AsyncClient) -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            await client.start(TASK, strategy_name="momentun")
        return caught.value

    error = run(app, use)
    assert (error.status, error.kind) == (422, "invalid-strategy")
    assert "did you mean 'momentum'" in str(error)
    assert error.request_id


def test_a_task_comes_from_a_file(app: Any, tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text('{"strategy_name": "rsi"}')
    assert run(app, lambda client: client.start(tmp_path / "task.json")).strategy_name == "rsi"
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ServiceError, match="holds list; expected an object"):
        run(app, lambda client: client.start(tmp_path / "list.json"))


class Unsteady(httpx2.AsyncBaseTransport):
    """Loses answers: the request arrives, the connection breaks, or the service is busy."""

    def __init__(self, app: Any, faults: int) -> None:
        self.inner = httpx2.ASGITransport(app=app)
        self.faults = faults
        self.requests: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request.method)
        answer = await self.inner.handle_async_request(request)
        if self.faults:
            self.faults -= 1
            if self.faults % 2:
                return httpx2.Response(503)
            raise httpx2.ReadError("the connection broke")
        return answer


def test_a_lost_answer_makes_no_second_task(app: Any) -> None:
    transport = Unsteady(app, 3)

    async def work() -> int:
        async with AsyncClient("http://test", patience=QUICK, transport=transport) as client:
            await client.start(TASK)
            return (await client.tasks()).total

    assert asyncio.run(work()) == 1
    assert transport.requests == ["POST"] * 4 + ["GET"]


def test_a_copy_is_made_once_too(app: Any) -> None:
    transport = Unsteady(app, 0)

    async def work() -> int:
        async with AsyncClient("http://test", patience=QUICK, transport=transport) as client:
            task = await client.start(TASK)
            for copy in (client.rerun(task.task_id), client.clone(task.task_id, priority=1)):
                transport.faults = 1
                await copy
            return (await client.tasks()).total

    assert asyncio.run(work()) == 3
    assert transport.requests == ["POST"] + ["POST"] * 4 + ["GET"]


def test_what_would_be_done_twice_is_not_repeated(app: Any) -> None:
    transport = Unsteady(app, 1)

    async def work() -> int:
        async with AsyncClient("http://test", patience=QUICK, transport=transport) as client:
            with pytest.raises(ServiceUnreachableError, match="asked once"):
                await client.schedule(strategy_name="momentum", data="nasdaq", cron="@daily")
            return len(await client.schedules())

    assert asyncio.run(work()) == 1
    assert transport.requests == ["POST", "GET"]


def test_a_service_that_is_away_is_named() -> None:
    class Away(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            raise httpx2.ConnectError("connection refused")

    async def work() -> None:
        async with AsyncClient("http://test", patience=QUICK, transport=Away()) as client:
            await client.health()

    with pytest.raises(ServiceUnreachableError, match=r"http://test does not answer \(asked 4 times\)"):
        asyncio.run(work())


def test_the_waiting_form_gets_an_error_too() -> None:
    with (
        Client("http://127.0.0.1:9", patience=Patience(timeout=1.0, retries=0)) as client,
        pytest.raises(ServiceUnreachableError, match="asked once"),
    ):
        client.health()
