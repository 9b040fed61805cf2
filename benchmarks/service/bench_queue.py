"""Fifty tasks that are queued at once, by two users: all of them end, and the users take turns.

    .venv/bin/python benchmarks/service/bench_queue.py [TASKS] > benchmarks/results/service_queue.md

The service as a laptop runs it, SQLite and two tasks at a time. Each task is the momentum strategy on nasdaq, 2,000
trials with its verdict.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from running_service import RunningService, running_service

from machine import machine_line
from strategy_optimizer.client import Client
from strategy_optimizer.models.service_task import TaskOut

TRIALS = 2000
AT_ONCE = 10
PATIENCE = 1800.0


def keys_of_two(service: RunningService) -> list[str]:
    """Return keys of the administrator and of an operator."""
    made = subprocess.run(
        [
            *(sys.executable, "-m", "strategy_optimizer", "users", "add", "ada", "--role", "operator"),
            *("--data-dir", str(service.folder)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"so_[\w-]+", made.stdout + made.stderr)
    assert found is not None, made
    return [service.key, found[0]]


def post(service: RunningService, key: str, number: int) -> tuple[int, str]:
    """Create a task, and return the status of the answer and the task's id."""
    answer = httpx2.post(
        f"http://127.0.0.1:{service.port}/api/v1/optimize/start",
        json={"strategy_name": "momentum", "optimization_config": {"budget": TRIALS, "seed": number}},
        headers={"Authorization": f"Bearer {key}", "Idempotency-Key": f"task {number}"},
        timeout=60,
        trust_env=False,
    )
    return answer.status_code, answer.json().get("task_id", "")


def main(n: int = 50) -> None:
    print(f"# {n} tasks queued at once\n\n{machine_line()}\n")
    with running_service("--workers", "2", "--threads", "1", requests_a_second=1000) as service:
        keys = keys_of_two(service)
        begun = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            made = list(pool.map(lambda number: post(service, keys[number % 2], number), range(n)))
        posted = time.monotonic() - begun
        with Client(f"http://127.0.0.1:{service.port}", service.key) as client:
            deadline = begun + PATIENCE
            while True:
                tasks = client.tasks(limit=200).tasks
                if all(task.status not in ("queued", "running") for task in tasks):
                    break
                assert time.monotonic() < deadline, Counter(task.status for task in tasks)
                time.sleep(0.5)
        taken = time.monotonic() - begun
        report(n, made, tasks, posted, taken)


def report(n: int, made: list[tuple[int, str]], tasks: list[TaskOut], posted: float, taken: float) -> None:
    """Print what became of the tasks."""
    order = [task.owner for task in sorted(tasks, key=lambda task: task.started_at)]
    in_a_row = max(len(list(group)) for _, group in itertools.groupby(order))
    waits = [(task.started_at - task.queued_at).total_seconds() for task in tasks]
    rows = {
        "answers": dict(Counter(status for status, _ in made)),
        "asked for, different ids, in the list": f"{n}, {len({task_id for _, task_id in made})}, {len(tasks)}",
        "how they ended": dict(Counter(task.status for task in tasks)),
        "trials of each": sorted({task.trials for task in tasks}),
        "begun more than once": sum(task.attempts != 1 for task in tasks),
        "all posted after": f"{posted:.2f} s",
        "all ended after": f"{taken:.1f} s, {taken / n:.2f} s a task",
        "wait in the queue, median and longest": f"{np.median(waits):.1f} s, {max(waits):.1f} s",
        "most tasks of one user that began in a row": in_a_row,
    }
    print("| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
