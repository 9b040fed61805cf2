"""Real workers, as processes, at real databases."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from strategy_optimizer.storage import ENDED, NewTask, Store, TaskRecord
from strategy_optimizer.tasks import TrialHistory
from worker_strategies import make_space, version_of

PROGRAM = [sys.executable, "-c", "from strategy_optimizer.cli.program import main; main()"]
PATIENCE = 180.0
"""Seconds; the machine may be busy with other things."""


class World:
    """A store with a user, and the workers that serve it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.store = Store(url)
        self.store.upgrade()
        self.store.accounts.add_user("ada", "operator", user_id="ada")
        self.path = ""
        self.workers: list[subprocess.Popen[bytes]] = []
        self._numbers = itertools.count(1)

    def stop_workers(self, number: int = signal.SIGTERM) -> list[int]:
        """Send a signal to all workers and return their exit codes."""
        for worker in self.workers:
            worker.send_signal(number)
        codes = [worker.wait(PATIENCE) for worker in self.workers]
        self.workers.clear()
        return codes

    def child_of(self, task: TaskRecord) -> psutil.Process:
        """Return the process that runs a task: the one whose processor time is not that of a waiting one."""
        guards = [guard for worker in self.workers for guard in psutil.Process(worker.pid).children()]
        times = [found for guard in guards for found in _children_and_times(guard)]
        return max(times, key=lambda found: found[1])[0]

    def history(self, task_id: str) -> TrialHistory:
        found = TrialHistory(make_space())
        self.store.trials.load(task_id, found)
        return found

    def noted(self) -> list[str]:
        """Return the parameters of all that the strategy `noting` has run, but its defaults."""
        lines = (self.folder / "strategies" / "noted").read_text().splitlines()
        return [line for line in lines if line != "20 7"]

    def start_worker(
        self, *options: str, folder: Path | None = None, **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start a worker, with a data folder of its own where one is given."""
        command = [*PROGRAM, "worker", *options]
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                [*command, "--data-dir", str(folder or self.folder), "--log-format", "text"],
                env={**os.environ, **self._environment(), **environment},
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    def _environment(self) -> dict[str, str]:
        path = {"PYTHONPATH": self.path} if self.path else {}
        return {"STRATEGY_OPTIMIZER_DATABASE_URL": self.url, **path}

    @property
    def log(self) -> str:
        return (self.folder / "worker.log").read_text()

    def add(self, n: int = 300, optimizer: str = "ga", strategy: str = "momentum", **others: Any) -> str:
        config = {"budget": n, "seed": others.pop("seed", 1), **others.pop("config", {})}
        task = {
            "strategy_name": strategy,
            "optimization_type": optimizer,
            "data": "nasdaq",
            "optimization_config": config,
            **others.pop("task", {}),
        }
        document = {"task": task, "strategy_version": version_of(strategy), "data_digest": None}
        new = NewTask("ada", strategy, document, id=f"opt_{next(self._numbers)}", **others)
        return self.store.tasks.create(new).task.id

    def wait(
        self, task_id: str, condition: Callable[[TaskRecord], Any] = lambda task: task.state in ENDED
    ) -> TaskRecord:
        deadline = time.monotonic() + PATIENCE
        while not condition(task := self.store.tasks.get(task_id)):
            assert time.monotonic() < deadline, f"{task}\n{self.log}"
            time.sleep(0.02)
        return task

    def wait_until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            try:
                worker.wait(60)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self.store.close()


def _children_and_times(guard: psutil.Process) -> list[tuple[psutil.Process, float]]:
    """Return a guard's children and their processor times; none when it ends meanwhile, as one that waits may."""
    try:
        return [(child, child.cpu_times().user) for child in guard.children()]
    except psutil.NoSuchProcess:
        return []
