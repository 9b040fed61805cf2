"""A cluster that others started: it is joined with its token, loses nodes and workers, and stays when we leave."""

from __future__ import annotations

import http.server
import os
import random
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray_behaviours import collect, make_function, process_of, run
from ray_nodes import HOST, ThreeNodes

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors import Limits, RayExecutor


@pytest.fixture(scope="module")
def cluster() -> Iterator[ThreeNodes]:
    cluster = ThreeNodes(Path(tempfile.mkdtemp(prefix="so-test-", dir="/tmp")))
    yield cluster
    cluster.end()


@pytest.fixture
def token(cluster: ThreeNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(cluster.token))


def refusal(address: str) -> str:
    with pytest.raises(ExecutorError) as caught:
        RayExecutor(make_function(), address=address)
    return str(caught.value)


def test_without_the_token_nobody_joins(cluster: ThreeNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "does not accept the token" in refusal(cluster.address)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    assert "expected RAY_AUTH_MODE=token, and its token in RAY_AUTH_TOKEN" in refusal(cluster.address)


@pytest.mark.usefixtures("token")
def test_an_address_where_nobody_is(cluster: ThreeNodes) -> None:
    assert refusal(f"{HOST}:9").startswith(f"no Ray cluster answers at {HOST}:9 (ConnectionRefusedError")


@pytest.mark.usefixtures("token")
def test_an_address_where_somebody_else_is(cluster: ThreeNodes) -> None:
    with http.server.ThreadingHTTPServer((HOST, 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = refusal(f"{HOST}:{server.server_port}")
        server.shutdown()
    assert "nothing that Ray understands within 10 s" in said


@pytest.mark.usefixtures("token")
def test_all_nodes_work_and_the_cluster_stays(cluster: ThreeNodes) -> None:
    before = {process.pid for process in cluster.processes()}
    with RayExecutor(make_function(), address=cluster.address) as executor:
        outcomes = run(executor, [{"seconds": 0.02, "x": x} for x in range(150)])
        assert executor.usage().workers >= 1
        (data,) = run(executor, [{"do": "data"}])
        (threads,) = run(executor, [{"do": "threads"}])
    assert [outcome.value for outcome in outcomes] == [2 * x for x in range(150)]
    assert data.value == (499999500000.0, False, False)
    assert threads.value == {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    with RayExecutor(abs, address=cluster.address, workers=1) as executor:
        executor.submit(0, -5)
        assert collect(executor)[0].value == 5
    servers = {process.pid for process in cluster.processes() if process.name() in ("raylet", "gcs_server")}
    assert len(servers & before) == 4


@pytest.mark.usefixtures("token")
def test_workers_are_killed_at_random(cluster: ThreeNodes) -> None:
    chance = random.Random(5)
    with RayExecutor(make_function(), address=cluster.address, attempts=10) as executor:
        for number in range(600):
            executor.submit(number, {"seconds": chance.choice([0.0, 0.005, 0.02]), "x": number})
        found, killed = {}, 0
        while executor.in_flight:
            for outcome in executor.wait(timeout=1.0):
                assert outcome.number not in found
                found[outcome.number] = outcome
                if killed < 15 and chance.random() < 0.05 and psutil.pid_exists(process_of(outcome)):
                    os.kill(process_of(outcome), signal.SIGKILL)
                    killed += 1
        usage = executor.usage()
    assert [found[number].value for number in range(600)] == [2 * number for number in range(600)]
    assert killed >= 5
    assert usage.restarted >= killed / 2


@pytest.mark.usefixtures("token")
def test_a_node_is_lost_in_mid_run_and_another_comes(cluster: ThreeNodes) -> None:
    with RayExecutor(make_function(), address=cluster.address, limits=Limits(seconds=60)) as executor:
        for number in range(400):
            executor.submit(number, {"seconds": 0.05, "x": number})
        found: dict[int, Any] = {}
        while executor.in_flight:
            for outcome in executor.wait(timeout=1.0):
                assert outcome.number not in found
                found[outcome.number] = outcome
            if len(found) > 100 and len(cluster.nodes) == 2:
                cluster.kill(cluster.nodes.pop())
            if len(found) > 250 and len(cluster.nodes) == 1:
                cluster.nodes += [cluster.add(), None]
        usage = executor.usage()
    assert [found[number].value for number in range(400)] == [2 * number for number in range(400)]
    assert usage.retried >= 1
