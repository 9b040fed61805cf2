"""What every executor must do, on Ray: all tests share one cluster, to which this program is connected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contracts.executor import SendingExecutorContract
from strategy_optimizer.tasks.executors import Executor, RayExecutor
from strategy_optimizer.tasks.executors.ray_cluster import RayCluster


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    cluster = RayCluster.start(2, 150 * 2**20, {})
    yield
    cluster.close()


class TestRayExecutor(SendingExecutorContract):
    def create(self, function: Callable[[Any], Any]) -> Executor:
        return RayExecutor(function, workers=2)

    def test_a_connection_that_was_there_stays(self) -> None:
        import ray

        with self.create(lambda parameters: parameters) as executor:
            assert executor.capacity >= 2
        assert ray.is_initialized()
        assert ray.get(ray.remote(lambda: 5).remote()) == 5
