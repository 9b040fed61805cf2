"""The worker that a service starts beside itself: settings from the environment, and its end with the service."""

from __future__ import annotations

import os
import subprocess
import sys

from worker_worlds import PATIENCE, World


def test_it_ends_when_the_service_is_gone(alone: World) -> None:
    environment = {
        **os.environ,
        "STRATEGY_OPTIMIZER_DATABASE_URL": alone.url,
        "STRATEGY_OPTIMIZER_DATA_DIR": str(alone.folder),
    }
    command = [sys.executable, "-m", "strategy_optimizer.worker", "--slots", "1"]
    with (alone.folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log, env=environment)
    task_id = alone.add(300)
    assert alone.wait(task_id).state == "completed"
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(PATIENCE) == 0
    assert not list(alone.folder.glob("workers/*/*.lock")), "it has left nothing behind"
