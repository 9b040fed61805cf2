"""A worker of the service runs the trials of an engine on a cluster that is there, which loses a node meanwhile."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ray_nodes import ThreeNodes

from engine_worlds import Engines
from strategy_optimizer.engines.registry import get_engine
from strategy_optimizer.storage import ENDED
from strategy_optimizer.tasks import make_engine_task


@pytest.fixture(scope="module")
def cluster() -> Iterator[ThreeNodes]:
    cluster = ThreeNodes(Path(tempfile.mkdtemp(prefix="so-test-", dir="/tmp")))
    yield cluster
    cluster.end()


def test_a_task_on_an_engine_outlives_a_node_and_its_own_process(cluster: ThreeNodes, tmp_path: Path) -> None:
    world = Engines(tmp_path)
    try:
        world.start("--ray-address", cluster.address, RAY_AUTH_TOKEN_PATH=str(cluster.token))
        task_id = world.submit("hill", 300, optimization_type="ga", config={"seed": 3})
        world.wait(task_id, lambda task: task.trials >= 60)
        cluster.kill(cluster.nodes.pop())
        before = world.wait(task_id, lambda task: task.trials >= 150)
        world.child_of(before).kill()
        task = world.wait(task_id)
        assert (task.state, task.error, task.trials, task.losses) == ("completed", None, 300, 0), world.log
        assert task.attempts == 2
        result = world.store.tasks.result(task_id)
        assert result is not None
        assert result.document["execution"]["executor"] == "ray"
        offered = get_engine(str(world.strategies / "hill.py"))
        mine = make_engine_task(
            offered.engine,
            "ga",
            space=offered.space(),
            evaluations=300,
            seed=3,
            executor="serial",
            cache=False,
        )
        mine.run()
        found = world.trials(task_id)
        for name in ("points", "scores", "metrics", "blocks"):
            np.testing.assert_array_equal(getattr(found, name), getattr(mine.history, name), err_msg=name)
        paused = world.submit("hill", 300, optimization_type="random")
        world.wait(paused, lambda task: task.trials >= 20)
        world.store.tasks.cancel(paused)
        assert world.wait(paused).state == "cancelled"
    finally:
        world.close()


def test_a_cluster_that_does_not_answer(tmp_path: Path) -> None:
    """It is one clear error for a task that begins, and waited for by one that has trials already."""
    world = Engines(tmp_path)
    try:
        # So many trials that it is not done before it is stopped, however slow this program is.
        begun = world.submit("hill", 1_000, optimization_type="ga")
        world.start()
        world.wait(begun, lambda task: task.trials >= 20)
        world.stop_workers()
        given_back = world.store.tasks.get(begun)
        assert (given_back.state, given_back.error) == ("queued", None), world.log
        world.start("--ray-address", "127.0.0.1:9")
        waits = world.wait(begun, lambda task: task.losses >= 1 or task.state in ENDED)
        assert (waits.state in ("queued", "running"), waits.error) == (True, None), world.log
        assert "its process has no cluster: no Ray cluster answers at 127.0.0.1:9" in world.log
        world.store.tasks.pause(begun)
        assert world.wait(begun, lambda task: task.state in ("paused", "failed")).state == "paused"
        task = world.wait(world.submit("hill", 5))
        assert task.state == "failed"
        assert (task.error or "").startswith("no Ray cluster answers at 127.0.0.1:9 (ConnectionRefusedError")
        world.stop_workers()
        world.store.tasks.resume(begun)
        world.start()  # in processes it goes on where it was
        assert world.wait(begun).state == "completed"
    finally:
        world.close()
