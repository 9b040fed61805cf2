"""A cluster that others started: it is joined with its token, loses nodes and workers, and stays when we leave."""

from __future__ import annotations

import contextlib
import http.server
import os
import random
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray_behaviours import collect, make_function, process_of, run

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors import Limits, RayExecutor
from strategy_optimizer.tasks.executors.ray_cluster import _forget_token

HOST = "127.0.0.1"


class ThreeNodes:
    """A head and two more nodes, a core each; this program is no part of it until it joins."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self.token = folder / "token"
        self.token.touch(0o600)
        self.token.write_text(secrets.token_hex(32))
        self.folder = folder
        with self._token():
            self._cluster = Cluster(initialize_head=True, head_node_args=self._node(include_dashboard=False))
        self.nodes = [self.add(), self.add()]
        self.address: str = self._cluster.address

    @contextlib.contextmanager
    def _token(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAY_AUTH_MODE", "token")
            patch.setenv("RAY_AUTH_TOKEN_PATH", str(self.token))
            patch.setenv("RAY_TMPDIR", str(self.folder))
            _forget_token()
            yield

    def _node(self, **more: Any) -> dict[str, Any]:
        return {"num_cpus": 1, "node_ip_address": HOST, "object_store_memory": 80 * 2**20, **more}

    def add(self) -> Any:
        with self._token():
            return self._cluster.add_node(**self._node())

    def kill(self, node: Any) -> None:
        """Kill its processes, as a power failure would."""
        (raylet,) = node.all_processes["raylet"]
        process = psutil.Process(raylet.process.pid)
        for one in [process, *process.children(recursive=True)]:
            one.kill()

    def processes(self) -> list[psutil.Process]:
        return [process for process in psutil.Process().children(recursive=True) if process.is_running()]

    def end(self) -> None:
        self._cluster.shutdown()
        psutil.wait_procs(self.processes(), timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)


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
