"""Strategies, parameter spaces and datasets over HTTP."""

from __future__ import annotations

import gzip
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from tests.api.worlds import World, make_csv, make_world

from engine_files import WILD
from strategy_optimizer.catalogue.strategy_folder import StrategyFolder
from strategy_optimizer.storage import NewStrategyVersion, Quota, Store
from strategy_texts import DIP

SPACES = "/api/v1/optimize/parameter-space"
DATASETS = "/api/v1/datasets"


@pytest.fixture(scope="module")
def told_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database that knows the strategies, which takes seconds to make."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "strategies").mkdir()
    (folder / "strategies" / "dip.py").write_text(DIP)
    (folder / "strategies" / "broken.py").write_text("class :")
    (folder / "strategies" / "wild.py").write_text(WILD)
    with Store(folder / "store.db") as store:
        store.upgrade()
        StrategyFolder(store, folder, folder / "strategies", clock=lambda: time.time() + 60).scan()
    return folder / "store.db"


@pytest.fixture
def world(told_template: Path, tmp_path: Path) -> Iterator[World]:
    shutil.copy(told_template, tmp_path / "store.db")
    with Store(tmp_path / "store.db") as store:
        before = store.strategies.get("momentum").newest
        version = store.strategies.version("momentum", before or "")
        made = make_world(store, tmp_path, upload_size=2)
        told = NewStrategyVersion(version.digest, version.description, version.space, version.details)
        store.strategies.save_version("momentum", "built_in", "", told)
        yield made


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it did not come true in a minute"
        time.sleep(0.02)


class Asks:
    """Somebody who asks."""

    def __init__(self, client: TestClient, headers: dict[str, str]) -> None:
        self._client = client
        self._headers = headers

    def __call__(self, method: str, path: str, **options: Any) -> Response:
        headers = self._headers | options.pop("headers", {})
        return self._client.request(method, path, headers=headers, **options)


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with TestClient(world.app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def ada(world: World, client: TestClient) -> Asks:
    return Asks(client, world.headers("ada"))


@pytest.fixture
def ben(world: World, client: TestClient) -> Asks:
    return Asks(client, world.headers("ben"))


def problem(answer: Response, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    assert found["type"] == f"/problems/{kind}"
    return found


# -- strategies


def test_strategies(ada: Asks) -> None:
    listed = {one["name"]: one for one in ada("GET", "/api/v1/strategies").json()["strategies"]}
    assert {"momentum", "rotation", "dip", "broken"} <= listed.keys()
    assert (listed["dip"]["source"], listed["dip"]["place"]) == ("file", "dip.py")
    assert listed["broken"]["problem"] == "broken.py, line 1: invalid syntax"
    assert listed["broken"]["version"] is None
    one = ada("GET", "/api/v1/strategies/dip").json()
    assert one == listed["dip"]
    assert one["defaults"] == {"days": 10, "depth": 0.05}
    assert one["constraints"] == ["days > 3"]
    assert ada("GET", "/api/v1/strategies/momentum_strategy").json()["name"] == "momentum"
    versions = ada("GET", "/api/v1/strategies/dip/versions").json()
    assert (
        [version["version"] for version in versions["versions"]] == [versions["newest"]] == [one["version"]]
    )


@pytest.mark.parametrize("name", ["dop", "%00", "..%2F..%2Fetc", "%F0%9F%92%A9", "a%3Ab", "x" * 200])
def test_a_strategy_that_is_not_there(name: str, ada: Asks) -> None:
    for path in (f"/api/v1/strategies/{name}", f"/api/v1/strategies/{name}/versions", f"{SPACES}/{name}"):
        assert ada("GET", path).status_code == 404
    assert "did you mean 'dip'" in ada("GET", "/api/v1/strategies/dop").json()["detail"]


def test_a_task_keeps_the_version_that_was_newest(world: World, ada: Asks) -> None:
    task = ada("POST", "/api/v1/optimize/start", json={"strategy_name": "dip"}).json()
    version = ada("GET", "/api/v1/strategies/dip").json()["version"]
    assert task["strategy_version"] == version
    assert world.store.tasks.get(task["task_id"]).document["strategy_version"] == version
    found = problem(
        ada("POST", "/api/v1/optimize/start", json={"strategy_name": "broken"}), 422, "invalid-strategy"
    )
    assert found["detail"] == "the strategy 'broken' cannot be used: broken.py, line 1: invalid syntax"
    found = problem(
        ada("POST", "/api/v1/optimize/start", json={"strategy_name": "../dip.py"}), 422, "invalid-strategy"
    )
    assert "there is no strategy" in found["detail"]


# -- engines

START = "/api/v1/optimize/start"


def test_an_engine_is_listed_with_its_parameters_and_a_task_on_it_has_no_data(
    world: World, ada: Asks
) -> None:
    one = ada("GET", "/api/v1/strategies/wild").json()
    assert (one["style"], one["description"], one["problem"]) == (
        "engine",
        "Does what its parameter says.",
        None,
    )
    assert one["defaults"] == {"how": "behave"}
    config = {"trial_time": 1.5, "trial_memory": 300, "lookahead": "free", "prune": 0.01}
    asked = {"strategy_name": "wild", "objective_function": {"metric": "SQN"}, "optimization_config": config}
    task = ada("POST", START, json=asked).json()
    assert (task["data"], task["strategy_version"]) == (None, one["version"])
    assert world.store.tasks.get(task["task_id"]).document["engine"] is True
    again = ada("POST", f"/api/v1/optimize/{task['task_id']}/clone", json={})
    assert again.status_code == 201, again.text


@pytest.mark.parametrize(
    ("asked", "kind", "words"),
    [
        (
            {"strategy_name": "wild", "data": "nasdaq"},
            "invalid-data",
            "which has its own data; leave data out",
        ),
        ({"strategy_name": "wild", "costs": {"slippage": 0.1}}, "invalid-request", "leave costs out"),
        ({"strategy_name": "wild", "constraints": ["x > 1"]}, "invalid-space", "x"),
        (
            {"strategy_name": "wild", "objective_function": {"metric": "a", "weights": {"b": 1}}},
            "invalid-objective",
            "leave one out",
        ),
        (
            {"strategy_name": "momentum", "optimization_config": {"trial_memory": 300}},
            "invalid-request",
            "trial_memory: this is for engines",
        ),
    ],
)
def test_what_does_not_fit_an_engine_or_a_strategy(
    asked: dict[str, Any], kind: str, words: str, ada: Asks
) -> None:
    assert words in problem(ada("POST", START, json=asked), 422, kind)["detail"]


def test_limits_of_trials_are_numbers_above_zero(ada: Asks) -> None:
    for config in (
        {"trial_time": 0},
        {"trial_memory": 0.5},
        {"trial_time": "60s"},
        {"lookahead": "never"},
        {"prune": 0.5},
        {"prune": 0},
        {"prune": True},
        {"prune": "no"},
    ):
        asked = {"strategy_name": "wild", "optimization_config": config}
        assert ada("POST", START, json=asked).status_code == 422


def test_an_engine_without_a_budget_plans_two_hundred_trials(world: World, ada: Asks) -> None:
    waiting = 2000  # of her other task
    world.store.accounts.set_quota("ada", Quota(trials_a_day=waiting + 500))
    answers = [ada("POST", START, json={"strategy_name": "wild"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429], answers[0].text
    assert problem(answers[-1], 429, "quota-exceeded")["details"] == {
        "quota": "trials_a_day",
        "limit": waiting + 500,
        "used": waiting + 400,
        "asked": 200,
    }


def test_an_engine_is_scheduled_without_data(ada: Asks) -> None:
    made = ada("POST", "/api/v1/schedules", json={"strategy_name": "wild", "cron": "0 6 * * *"})
    assert made.status_code == 201, made.text
    assert made.json()["data"] is None
    ran = ada("POST", f"/api/v1/schedules/{made.json()['schedule_id']}/run").json()
    assert (ran["strategy_name"], ran["data"]) == ("wild", None)
    lacking = ada("POST", "/api/v1/schedules", json={"strategy_name": "momentum", "cron": "0 6 * * *"})
    assert "name its data" in problem(lacking, 422, "invalid-data")["detail"]


def test_an_engine_is_no_strategy_that_the_service_backtests(ada: Asks) -> None:
    answer = ada("GET", "/api/v1/engines/wild/nasdaq/health")
    assert "is an engine" in problem(answer, 422, "invalid-data")["detail"]


# -- parameter spaces

SPACE: dict[str, Any] = {
    "parameter_space": {"lookback_period": {"type": "discrete", "bounds": [10, 60]}},
    "constraints": ["lookback_period != 13"],
}


def test_the_strategys_own_space(ada: Asks) -> None:
    own = ada("GET", f"{SPACES}/momentum_strategy").json()
    assert (own["strategy_name"], own["source"], own["problem"]) == ("momentum", "strategy", None)
    assert own["parameter_space"]["lookback_period"]["bounds"] == [10, 100]
    assert own["defaults"]["lookback_period"] == 20
    assert own["strategy_version"] == ada("GET", "/api/v1/strategies/momentum").json()["version"]


def test_a_space_of_ones_own(ada: Asks, ben: Asks) -> None:
    made = ada("POST", SPACES, json={"strategy_name": "momentum_strategy", **SPACE})
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"{SPACES}/momentum"
    assert (made.json()["source"], made.json()["feasible"]) == ("owner", True)
    assert made.json()["parameter_space"] == SPACE["parameter_space"]
    assert made.json()["defaults"]["lookback_period"] == 20
    assert ada("GET", f"{SPACES}/momentum").json()["constraints"] == ["lookback_period != 13"]
    assert ben("GET", f"{SPACES}/momentum").json()["source"] == "strategy"
    assert ada("POST", SPACES, json={"strategy_name": "momentum", **SPACE}).status_code == 200
    other = {"parameter_space": {"threshold": {"type": "continuous", "bounds": [0.01, 0.02]}}}
    put = ada("PUT", f"{SPACES}/momentum", json=other)
    assert put.status_code == 200, put.text
    assert ada("GET", f"{SPACES}/momentum").json()["parameter_space"] == other["parameter_space"]
    task = ada(
        "POST",
        "/api/v1/optimize/start",
        json={"strategy_name": "momentum", "constraints": ["threshold > 0.011"]},
    )
    asked = ada("GET", f"/api/v1/optimize/{task.json()['task_id']}").json()["task"]
    assert asked["parameter_space"] == other["parameter_space"]
    assert asked["constraints"] == ["threshold > 0.011"]
    for _ in range(2):
        assert ada("DELETE", f"{SPACES}/momentum").json()["source"] == "strategy"


def test_checking_keeps_nothing(ada: Asks) -> None:
    answer = ada("POST", SPACES, json={"strategy_name": "momentum", "validate_only": True, **SPACE})
    assert (answer.status_code, answer.json()["feasible"]) == (200, True)
    assert ada("GET", f"{SPACES}/momentum").json()["source"] == "strategy"


@pytest.mark.parametrize(
    ("change", "text", "parameter"),
    [
        ({"parameter_space": {"x": {"type": "discrete", "bounds": [1, 2]}}}, "unknown parameter 'x'", "x"),
        (
            {"parameter_space": {"lookback_period": {"type": "discrete", "bounds": [60, 10]}}},
            "are reversed",
            "lookback_period",
        ),
        (
            {"parameter_space": {"lookback_period": {"type": "continuous", "bounds": [1, 2]}}},
            "is discrete, found continuous",
            "lookback_period",
        ),
        ({"constraints": ["lookback_perid > 3"]}, "did you mean 'lookback_period'", "lookback_perid"),
        ({"constraints": ["lookback_period.__class__ == 1"]}, "Attribute is not part of the grammar", None),
        (
            {"constraints": ["__import__('os').system('true') == 0"]},
            "only the functions min, max and abs",
            None,
        ),
        (
            {"constraints": ["lookback_period > 30", "lookback_period < 20"]},
            "is feasible; the strictest constraint is",
            "lookback_period",
        ),
    ],
)
def test_what_is_wrong_with_a_space_is_said(
    change: dict[str, Any], text: str, parameter: str | None, ada: Asks
) -> None:
    document = {**SPACE, **change}
    for answer in (
        ada("POST", SPACES, json={"strategy_name": "momentum", **document}),
        ada("PUT", f"{SPACES}/momentum", json=document),
    ):
        found = problem(answer, 422, "invalid-space")
        assert text in found["detail"]
        assert found["details"].get("parameter") == parameter
    assert ada("GET", f"{SPACES}/momentum").json()["source"] == "strategy"
    if "is feasible" not in text:
        answer = ada("POST", "/api/v1/optimize/start", json={"strategy_name": "momentum", **document})
        problem(answer, 422, "invalid-space")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"parameter_space": {}},
        {"parameter_space": {"a": {"type": "discrete", "bounds": [1, 2], "code": "x"}}},
        {"parameter_space": {"a": {"type": "discrete", "bounds": [1, 2]}}, "constraints": ["a > 1"] * 101},
        {"parameter_space": {f"p{i}": {"type": "discrete", "bounds": [1, 2]} for i in range(201)}},
        {**SPACE, "constraints": [{"__class__": "x"}]},
        {**SPACE, "constraints": ["a" * 501]},
        {**SPACE, "owner": "ben"},
    ],
)
def test_bodies_that_are_no_space(body: dict[str, Any], ada: Asks) -> None:
    problem(ada("PUT", f"{SPACES}/momentum", json=body), 422, "invalid-request")


def test_a_space_that_does_not_fit_the_newest_version(world: World, ada: Asks) -> None:
    ada(
        "PUT",
        f"{SPACES}/dip",
        json={"parameter_space": {"depth": {"type": "continuous", "bounds": [0, 0.01]}}},
    )
    record = world.store.strategies.newest_versions()["dip"]
    space = {"parameter_space": {"days": record.space["parameter_space"]["days"]}, "constraints": []}
    newer = NewStrategyVersion("1" * 64, "", space, record.details)
    world.store.strategies.save_version("dip", "file", "dip.py", newer)
    found = ada("GET", f"{SPACES}/dip").json()
    assert found["problem"] == "unknown parameter 'depth' (known: days)"
    problem(ada("POST", "/api/v1/optimize/start", json={"strategy_name": "dip"}), 422, "invalid-space")


# -- datasets


def upload(asks: Asks, content: bytes, name: str = "rates", **params: Any) -> Response:
    return asks("POST", DATASETS, params={"name": name, **params}, content=content)


def test_an_upload_and_what_is_shown_of_it(ada: Asks, ben: Asks) -> None:
    made = upload(ada, make_csv())
    assert made.status_code == 201, made.text
    found = made.json()
    place = made.headers["location"]
    assert place == f"{DATASETS}/{found['id']}"
    assert (found["name"], found["bars"], found["interval"], found["format"]) == (
        "rates",
        120,
        "1 day",
        "csv",
    )
    assert found["problems"] == []
    assert ada("GET", place).json() == ada("GET", f"{DATASETS}/rates").json() == found
    assert [one["name"] for one in ada("GET", DATASETS).json()["datasets"]] == ["prices", "rates"]
    preview = ada("GET", f"{place}/preview").json()
    assert preview["first"][0] == {
        "time": "2026-01-01T00:00:00Z",
        "open": 100.0,
        "high": 101.0,
        "low": 99.0,
        "close": 100.0,
        "volume": 5.0,
    }
    assert preview["curve"]["close"][-1] == preview["last"][-1]["close"] == 219
    assert problem(ada("GET", f"{place}/preview", params={"symbol": "rate"}), 422, "invalid-data")[
        "detail"
    ] == ("rates has no preview of 'rate'; did you mean 'rates'?; there are rates")
    for path in (place, f"{place}/preview", f"{DATASETS}/rates", f"{DATASETS}/%00"):
        problem(ben("GET", path), 404, "not-found")
    problem(ben("DELETE", place), 404, "not-found")
    assert ben("GET", DATASETS).json()["datasets"] == []
    assert ada("PATCH", place, json={"name": "quotes"}).json()["name"] == "quotes"
    problem(ada("PATCH", place, json={"name": "prices"}), 409, "already-exists")
    problem(ada("PATCH", place, json={"name": "a/b"}), 422, "invalid-data")
    problem(ada("PATCH", place, json={"owner": "ben"}), 422, "invalid-request")
    assert ada("DELETE", place).status_code == 204
    problem(ada("DELETE", place), 404, "not-found")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "x", "repairs": "sort"}, "no field 'repairs'; did you mean 'repair'?"),
        ({"name": ["x", "y"]}, "the field 'name' of the form stands 2 times"),
    ],
)
def test_a_form_with_other_fields_is_refused(ada: Asks, fields: dict[str, Any], said: str) -> None:
    answer = ada("POST", DATASETS, files={"file": ("bars.csv", b"timestamp,close\n")}, data=fields)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_a_form(ada: Asks) -> None:
    made = ada(
        "POST",
        DATASETS,
        files={"file": ("x.csv", gzip.compress(make_csv()[::1] + b"\n2026-01-05,1,2,1,1,3"))},
        data={"name": "rates", "repair": ["sort", "drop_duplicates"]},
    )
    assert made.status_code == 201, made.text
    assert made.json()["repairs"] == ["sort", "drop_duplicates"]
    assert made.json()["problems"][-1]["kind"] == "repaired"
    problem(ada("POST", DATASETS, data={"name": "other"}, files={"x": ("", b"")}), 422, "invalid-data")
    answer = ada(
        "POST", DATASETS, content=b"not a form", headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code in (400, 422)
    answer = ada("POST", DATASETS, content=b"not a form", headers={"Content-Type": "multipart/form-data"})
    assert answer.status_code in (400, 422)


def test_everything_wrong_with_an_upload_is_told(ada: Asks) -> None:
    lines = make_csv().decode().splitlines()
    lines[10], lines[20] = lines[20], lines[10]
    found = problem(upload(ada, "\n".join(lines).encode()), 422, "invalid-data")
    assert '--repair sort (Python: repair="sort") sorts them' in found["detail"]
    assert [one["kind"] for one in found["details"]["problems"]] == ["unsorted"]
    assert found["details"]["problems"][0]["rows"] == found["details"]["rows"] == [11, 20]
    assert "upload" not in found["detail"]
    columns = make_csv().replace(b"close", b"px")
    assert "the columns are not clear" in problem(upload(ada, columns), 422, "invalid-data")["detail"]
    assert upload(ada, columns, columns=json.dumps({"close": "px"})).status_code == 201
    for text in ("{", "[1]", '{"close": 1}', '{"close": ["a"]}'):
        assert "columns: " in problem(upload(ada, columns, "x", columns=text), 422, "invalid-data")["detail"]
    assert (
        "the roles are"
        in problem(upload(ada, columns, "x", columns='{"clse": "px"}'), 422, "invalid-data")["detail"]
    )
    problem(upload(ada, make_csv(), "x", repair="all"), 422, "invalid-data")
    problem(ada("POST", DATASETS, content=make_csv()), 422, "invalid-data")
    problem(upload(ada, make_csv(), "prices"), 409, "already-exists")


def test_an_upload_that_is_too_large(ada: Asks) -> None:
    problem(upload(ada, b"x" * (2**21 + 1)), 413, "too-large")
    blocks = (b"1,2,3\n" * 10_000 for _ in range(50))
    problem(ada("POST", DATASETS, params={"name": "x"}, content=blocks), 413, "too-large")
    problem(ada("POST", DATASETS, files={"file": b"x" * (2**21 + 1)}, data={"name": "x"}), 413, "too-large")
    assert [one["name"] for one in ada("GET", DATASETS).json()["datasets"]] == ["prices"]


def test_a_quota(world: World, ada: Asks) -> None:
    world.store.accounts.set_quota("ada", Quota(datasets=1))
    found = problem(upload(ada, make_csv()), 429, "quota-exceeded")
    assert found["details"]["quota"] == "datasets"


def test_a_dataset_that_a_task_uses(world: World, ada: Asks) -> None:
    place = f"{DATASETS}/{world.places['dataset_id']}"
    task = ada("POST", "/api/v1/optimize/start", json={"strategy_name": "momentum", "data": "prices"}).json()
    assert task["data_digest"] == ada("GET", place).json()["digest"]
    found = problem(ada("DELETE", place), 409, "in-use")
    assert found["details"]["tasks"] == [task["task_id"]]
    ada("DELETE", f"/api/v1/optimize/{task['task_id']}")
    assert ada("DELETE", place).status_code == 204
    answer = ada("POST", "/api/v1/optimize/start", json={"strategy_name": "momentum", "data": "prices"})
    assert "there are no data 'prices'" in problem(answer, 422, "invalid-data")["detail"]


def test_checks_go_to_users_in_turn(world: World, ada: Asks, ben: Asks) -> None:
    """Whoever uploads much, others wait for one of theirs at most; nor are all threads of the routes held."""
    checks = world.app.state.checks
    for user in ("ada", "viv"):
        checks.take(user, threading.Event())  # as if a file of each were checked

    def waits(number: int, asks: Asks) -> Future[Response]:
        waiting = threads.submit(upload, asks, make_csv(), f"number {number}")
        until(lambda: checks.waiting == number)
        return waiting

    with ThreadPoolExecutor(10) as threads:
        asked = [waits(number, ada) for number in range(1, 5)]
        answer = upload(ada, make_csv(), "one more")
        assert "4 uploads of yours are not done yet" in problem(answer, 429, "too-many-requests")["detail"]
        asked.append(waits(5, ben))
        checks.give_back("viv")
        assert asked[4].result(timeout=120).status_code == 201  # he came last, and hers wait still
        checks.give_back("ada")
        assert [each.result(timeout=120).status_code for each in asked] == [201] * 5
    assert checks.waiting == 0


def test_one_user_may_not_fill_the_line(world: World, ada: Asks) -> None:
    checks = world.app.state.checks
    for user in ("ben", "viv"):
        checks.take(user, threading.Event())
    with ThreadPoolExecutor(8) as threads:
        for number in range(8):
            threads.submit(checks.take, "ada", threading.Event())
            until(lambda number=number: checks.waiting == number + 1)  # type: ignore[misc]
        answer = upload(ada, make_csv(), "one more")
        assert "8 requests of yours wait" in problem(answer, 429, "too-many-requests")["detail"]
        for user in ("ben", "viv"):
            checks.give_back(user)
        for _ in range(8):
            until(lambda: checks._held["ada"] == 1)
            checks.give_back("ada")
