"""Clusters of several nodes on this machine, which others than the tested program started."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

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
