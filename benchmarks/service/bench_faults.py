"""Workers under fire: kill -9 at random moments, a database that is away, a database that is slow.

    .venv/bin/python benchmarks/service/bench_faults.py kills 200 > service_faults.md   # 40 minutes
    .venv/bin/python benchmarks/service/bench_faults.py outages >> service_faults.md   # 5 minutes

Two workers of two slots share two tasks at a time, each of 80 or 400 trials of 5 ms, which are created through an API
process; what is killed is started again, as a supervisor does. The API is killed while a client creates a task; the
client asks again with the same idempotency key until it has an answer. Half of the kills are made on SQLite and half on
PostgreSQL, where also the server is killed. Every history and result is compared with that of a run that nothing
disturbed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil
from sqlalchemy import URL, make_url

HERE = Path(__file__).parent
sys.path += [str(HERE.parent), str(HERE.parents[1] / "tests")]

from fault_proxy import FaultProxy  # noqa: E402
from machine import machine_line  # noqa: E402
from storage_worlds import Postgres  # noqa: E402
from strategy_optimizer.storage import ENDED, Store  # noqa: E402
from strategy_optimizer.tasks import TrialHistory  # noqa: E402
from worker_strategies import install  # noqa: E402

PROGRAM = [sys.executable, "-c", "from strategy_optimizer.cli.program import main; main()"]
TRIALS = {"ga": 400, "random": 400, "bo": 80}
KINDS = [(optimizer, seed) for seed in (1, 2) for optimizer in ("ga", "bo", "random")]
PATIENCE = 300.0
LONGEST = 60.0 * float(os.environ.get("FIRE_MINUTES", "60"))
"""Seconds of killing on each database."""
TIMES = ("seconds", "trials_per_second", "task_id", "validation", "notes", "recommended_parameters")
"""What differs between runs of one search: times, and what the trial ledger knew, which grows with each task."""
EXPECTED = """
import json, sys
from strategy_optimizer import optimize
strategy, optimizer, seed, trials, data = sys.argv[1:]
result = optimize(strategy, data, optimizer, evaluations=int(trials), seed=int(seed), ledger=False)
history = result.history
print(json.dumps({"points": history.points.tolist(), "scores": history.scores.tolist(),
                  "metrics": history.metrics.tolist(), "result": result.to_dict()}))
"""


@dataclass
class Watched:
    """What was seen of the tasks while they ran."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    recoveries: dict[str, list[float]] = field(default_factory=dict)


class Fire:
    """A store, an API, two workers, and somebody who kills them."""

    def __init__(self, url: str, folder: Path, path: str, server: Any = None) -> None:
        self.store = Store(url, patience=60.0)
        self.store.upgrade()
        self.url, self.folder, self.path, self.server = url, folder, path, server
        self.seen = Watched()
        self.tasks: dict[str, tuple[str, int]] = {}
        self.workers: dict[int, subprocess.Popen[bytes]] = {}
        self.api: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.chance = random.Random(7)
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._watch), threading.Thread(target=self._supervise)]

    # -- the service -----------------------------------------------------------------------------------------

    def __enter__(self) -> Fire:
        self._start_api()
        for number in range(2):
            self._start(number)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        assert self.api is not None
        processes = [*self.workers.values(), self.api]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(60)
        self.store.close()

    def _start(self, number: int) -> None:
        self.workers[number] = self._run("worker", "--slots", "2")

    def _start_api(self) -> None:
        self.api = self._run("serve", "--workers", "0", "--port", str(self.port), "--log-level", "warning")

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": self.path, "STRATEGY_OPTIMIZER_DATABASE_URL": self.url}
        with (self.folder / "worker.log").open("ab") as log:
            return subprocess.Popen(
                [*PROGRAM, *command, "--data-dir", str(self.folder), "--log-format", "text"],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def _supervise(self) -> None:
        while not self._is_over.wait(0.1):
            for number, worker in list(self.workers.items()):
                if worker.poll() is not None:
                    self._start(number)
            if self.api is not None and self.api.poll() is not None:
                self._start_api()

    def _watch(self) -> None:
        """Note what is acknowledged: it never becomes less."""
        while not self._is_over.wait(0.05):
            for task in self.store.tasks.page(states=["running", "queued"], limit=20):
                before = self.seen.acknowledged.get(task.id, 0)
                self.seen.lost += max(0, before - task.trials)
                self.seen.acknowledged[task.id] = task.trials

    def feed(self) -> None:
        """Keep both workers busy, with a slot free in each: a task that is lost finds another worker."""
        while self.store.tasks.count(states=["queued", "running"]) < 2:
            self.add()

    def add(self) -> None:
        """Create a task over HTTP, asking again until the service says that it has it."""
        number = len(self.tasks)
        kind = KINDS[number % len(KINDS)]
        task = {
            "strategy_name": "slow",
            "optimization_type": kind[0],
            "data": "nasdaq",
            "optimization_config": {"budget": TRIALS[kind[0]], "seed": kind[1]},
        }
        made = self._insist("POST", "/api/v1/optimize/start", json=task, key=f"task {number}")
        assert made["task_id"] not in self.tasks, "two tasks are one"
        self.tasks[made["task_id"]] = kind

    def _insist(self, method: str, path: str, *, json: Any = None, key: str = "") -> Any:
        """Ask the API until it answers."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                secret = (self.folder / "admin.key").read_text().strip()
                answer = httpx2.request(
                    method,
                    f"http://127.0.0.1:{self.port}{path}",
                    json=json,
                    headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": key},
                    timeout=60,
                    trust_env=False,
                )
                # A strategy is known once a worker has described it.
                if answer.status_code < 300:
                    return answer.json()
                assert answer.status_code in (404, 422, 503), answer.text
            except (OSError, httpx2.TransportError):
                pass
            assert time.monotonic() < deadline, self.log_tail()
            time.sleep(0.05)

    # -- kills -----------------------------------------------------------------------------------------------

    def kill_many(self, n: int, targets: tuple[str, ...]) -> None:
        """Kill so many processes, or fewer when the time is up."""
        ends = time.monotonic() + LONGEST
        while self.seen.kills.total() < n and time.monotonic() < ends:
            self.kill_one(targets)
            print(f"{time.strftime('%T')} {dict(self.seen.kills)}", file=sys.stderr, flush=True)

    def kill_one(self, targets: tuple[str, ...]) -> None:
        """Kill something that works, at a moment nobody chose, and wait until its task goes on."""
        deadline = time.monotonic() + PATIENCE
        self.feed()
        while not (running := self.store.tasks.page(states=["running"], limit=20)):
            assert time.monotonic() < deadline, self.log_tail()
            time.sleep(0.02)
        time.sleep(self.chance.uniform(0.0, 1.0))
        target = self.chance.choice(targets)
        if target == "API":
            self._kill_api()
            return
        if target == "database":
            self._kill_server()
            self._await_progress(target, time.monotonic())
            return
        victims = self._processes(target)
        if not victims:
            return
        victim = self.chance.choice(victims)
        try:
            owner = self._worker_of(victim)
        except psutil.NoSuchProcess:
            return
        running = self.store.tasks.page(states=["running"], limit=20)
        held = {task.id: task.token for task in running if f"-{owner}-" in (task.worker or "")}
        # Ten deaths in a row without a new trial end a task, as they should: nobody here makes more than seven.
        if any(task.losses >= 7 for task in running if task.id in held):
            return
        begun = time.monotonic()
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
            self.seen.kills[target] += 1
        if target == "worker":
            self._await_release(held, begun)

    def _processes(self, target: str) -> list[psutil.Process]:
        workers = []
        for worker in self.workers.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                workers.append(psutil.Process(worker.pid))
        if target == "worker":
            return workers
        guards = []
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                guards += worker.children()
        if target == "guard":
            return guards
        found = []
        for guard in guards:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += guard.children()
        return found

    def _worker_of(self, process: psutil.Process) -> int:
        pids = {worker.pid for worker in self.workers.values()}
        while process.pid not in pids:
            parent = process.parent()
            if parent is None:
                raise psutil.NoSuchProcess(process.pid)
            process = parent
        return process.pid

    def _kill_api(self) -> None:
        """Kill the API while a client creates a task."""
        assert self.api is not None
        client = threading.Thread(target=self.add)
        client.start()
        time.sleep(self.chance.uniform(0.0, 0.03))
        begun = time.monotonic()
        self.api.kill()
        self.seen.kills["API"] += 1
        client.join()
        self._insist("GET", "/ready")
        self.seen.recoveries.setdefault("API", []).append(time.monotonic() - begun)

    def _kill_server(self) -> None:
        main = psutil.Process(self.server.get_pid())
        family = [*main.children(recursive=True), main]
        for process in [main, *family]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=10)
        self.seen.kills["database"] += 1
        time.sleep(0.3)
        self.server.ensure_postgres_running()

    def _await_release(self, held: dict[str, int], begun: float) -> None:
        """Wait until the tasks of a dead worker are another one's, or its own again."""
        while held:
            assert time.monotonic() < begun + PATIENCE, self.log_tail()
            for task_id in list(held):
                task = self.store.tasks.get(task_id)
                if task.token > held[task_id] or task.state in ENDED:
                    del held[task_id]
                    self.seen.recoveries.setdefault("worker", []).append(time.monotonic() - begun)
            time.sleep(0.01)

    def _await_progress(self, target: str, begun: float) -> None:
        """Wait until anything is written again."""
        before = dict(self.store.events.newest(self.tasks))
        while self.store.events.newest(self.tasks) == before:
            assert time.monotonic() < begun + PATIENCE, self.log_tail()
            time.sleep(0.01)
        self.seen.recoveries.setdefault(target, []).append(time.monotonic() - begun)

    # -- the end ---------------------------------------------------------------------------------------------

    def finish(self) -> int:
        """Let all tasks end, and return how many did not."""
        deadline = time.monotonic() + PATIENCE
        while (left := self.store.tasks.count(states=["queued", "running"])) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def compare(self, expected: dict[tuple[str, int], Any]) -> Counter[str]:
        """Compare all tasks with runs that nothing disturbed."""
        found: Counter[str] = Counter()
        found["not completed"] += abs(self.store.tasks.count() - len(self.tasks))  # lost, or made twice
        for task_id, kind in self.tasks.items():
            task, mine = self.store.tasks.get(task_id), expected[kind]
            found["tasks"] += 1
            found["trials"] += task.trials
            if task.state != "completed":
                found["not completed"] += 1
                print(f"{task_id}: {task.state}, {task.error}", file=sys.stderr)
                continue
            history = TrialHistory(mine["space"])
            self.store.trials.load(task_id, history)
            found["duplicated or missing"] += abs(len(history) - TRIALS[kind[0]])
            found["interrupted"] += task.attempts > 1
            same = all(
                np.array_equal(getattr(history, name), mine[name], equal_nan=True)
                for name in ("points", "scores", "metrics")
            )
            record = self.store.tasks.result(task_id)
            assert record is not None
            result = plain(json.loads(json.dumps(record.document)))
            found["other history"] += not same
            found["other result"] += result != plain(mine["result"])
            events = self.store.events.read(task_id, limit=10**6)
            found["gaps in events"] += [event.seq for event in events] != list(range(1, task.events + 1))
        return found

    def log_tail(self) -> str:
        return (self.folder / "worker.log").read_text()[-3000:]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def plain(result: dict[str, Any]) -> dict[str, Any]:
    """Return what has to be equal in two runs of a search."""
    kept = {name: value for name, value in result.items() if name not in TIMES}
    kept["counts"] = {**kept["counts"], "resumed": 0}
    kept["optimization_history"] = [
        {name: value for name, value in trial.items() if name != "seconds"}
        for trial in kept["optimization_history"]
    ]
    return kept


def expected_runs(path: str) -> dict[tuple[str, int], Any]:
    """Return history and result of each kind of task, from the library, undisturbed."""
    from worker_strategies import make_space

    runs = {}
    for optimizer, seed in KINDS:
        command = [
            sys.executable,
            "-c",
            EXPECTED,
            "slow",
            optimizer,
            str(seed),
            str(TRIALS[optimizer]),
            "nasdaq",
        ]
        environment = {**os.environ, "PYTHONPATH": path, "SLOW_SECONDS": "0"}
        run = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
        arrays = {name: np.array(run[name], float) for name in ("points", "scores", "metrics")}
        runs[optimizer, seed] = {**arrays, "result": run["result"], "space": make_space()}
    return runs


def row(name: str, fire: Fire, found: Counter[str], left: int) -> None:
    kills = ", ".join(f"{count} {target}" for target, count in sorted(fire.seen.kills.items())) or "none"
    columns = [
        name,
        kills,
        found["tasks"],
        f"{found['trials']:,}",
        found["interrupted"],
        fire.seen.lost,
        found["duplicated or missing"],
        left + found["not completed"],
        found["other history"],
        found["other result"],
        found["gaps in events"],
    ]
    print("| " + " | ".join(map(str, columns)) + " |", flush=True)


def seconds(times: list[float]) -> str:
    return f"median {np.median(times):.1f} s, longest {max(times):.1f} s, of {len(times)}"


def outage(fire: Fire, proxy: FaultProxy, length: float) -> float:
    """Take the database away while tasks run; return the seconds until something was written again."""
    fire.feed()
    while not fire.store.tasks.count(states=["running"]):
        time.sleep(0.05)
    time.sleep(2.0)
    proxy.cut()
    time.sleep(length)
    proxy.mend()
    fire._await_progress("outage", time.monotonic())
    return fire.seen.recoveries["outage"][-1]


COLUMNS = (
    "database", "kill -9 of", "tasks", "trials", "run by several", "acknowledged trials lost",
    "trials duplicated or missing", "tasks stuck or failed", "other history", "other result", "gaps in events",
)  # fmt: skip


def head() -> None:
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|", flush=True)


def end(name: str, fire: Fire, expected: dict[tuple[str, int], Any]) -> None:
    left = fire.finish()
    row(name, fire, fire.compare(expected), left)


def kills(folder: Path, n: int) -> None:
    path = install(folder / "strategies")
    expected = expected_runs(path)
    recoveries: dict[str, list[float]] = {}
    print("# Workers under fire\n")
    print(f"{machine_line()}\n")
    head()
    (folder / "sqlite").mkdir()
    with Fire(f"sqlite:///{folder / 'sqlite' / 'store.db'}", folder / "sqlite", path) as fire:
        fire.kill_many(n // 2, ("API", "worker", "guard", "guard", "child", "child", "child"))
        end("SQLite", fire, expected)
        recoveries |= {f"{name}, SQLite": times for name, times in fire.seen.recoveries.items()}
    server = Postgres()
    (folder / "postgres").mkdir()
    with Fire(server.create(), folder / "postgres", path, server._server) as fire:
        fire.kill_many(n - n // 2, ("API", "worker", "database", "guard", "guard", "child", "child", "child"))
        end("PostgreSQL", fire, expected)
        recoveries |= {f"{name}, PostgreSQL": times for name, times in fire.seen.recoveries.items()}
    server.close()
    print()
    for name, times in recoveries.items():
        until = (
            "it was ready again and the task was acknowledged"
            if name.startswith("API")
            else "its task was leased again or written on"
        )
        print(f"- From the kill of the {name}, until {until}: {seconds(times)}.")


def outages(folder: Path) -> None:
    path = install(folder / "strategies")
    expected = expected_runs(path)
    server = Postgres()
    away, slow = make_url(server.create()), make_url(server.create())
    behind = folder / "proxy"
    behind.mkdir()
    proxy = FaultProxy(Path(str(away.query["host"])) / ".s.PGSQL.5432", behind / ".s.PGSQL.5432")
    print(f"\n## A database that is away, or slow\n\n{machine_line()}\n")
    head()
    for name in ("away", "slow"):
        (folder / name).mkdir()
    with Fire(_through(away, behind), folder / "away", path) as fire:
        back = outage(fire, proxy, 30.0)
        end("PostgreSQL, 30 s away", fire, expected)
    with Fire(_through(slow, behind), folder / "slow", path) as fire:
        proxy.delay = 0.25
        begun = time.monotonic()
        for _ in range(4):
            fire.add()
        fire.finish()
        taken = time.monotonic() - begun
        proxy.delay = 0.0
        end("PostgreSQL, 500 ms for each answer", fire, expected)
    proxy.close()
    server.close()
    print(f"\n- After 30 s without a database the first write came {back:.1f} s after its return.")
    print(f"- With 500 ms for each answer of the database four tasks took {taken:.0f} s.")


def _through(url: URL, folder: Path) -> str:
    return url.update_query_dict({"host": str(folder)}).render_as_string(hide_password=False)


def main() -> None:
    part, *numbers = sys.argv[1:] or ["kills"]
    with tempfile.TemporaryDirectory(prefix="so-fire-") as folder:
        if part == "kills":
            kills(Path(folder), int(numbers[0]) if numbers else 200)
        else:
            outages(Path(folder))


if __name__ == "__main__":
    main()
