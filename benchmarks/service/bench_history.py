"""Reading a task of a million trials over HTTP: pages, sorted and chosen pages, the curve, exports.

    .venv/bin/python benchmarks/service/bench_history.py [TRIALS] > benchmarks/results/service_history.md

Five minutes on a quiet machine.

A service of its own on a loopback port, with SQLite; random numbers. Times are those that a client sees.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np
import psutil
import uvicorn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench_storage import make_history, save_all
from machine import machine_line
from strategy_optimizer.access.principal import ROLE_SCOPES, Principal
from strategy_optimizer.api.app import create_app
from strategy_optimizer.api.service import Service
from strategy_optimizer.service_logs import configure_logs
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import NewTask, Store

PATH = "/api/v1/optimize/big"


@contextmanager
def served(store: Store, folder: Path) -> Iterator[httpx2.Client]:
    ada = Principal("ada", "ada", "operator", ROLE_SCOPES["operator"])
    app = create_app(Service(store, ServiceSettings(data_dir=folder), lambda connection: ada))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx2.Client(base_url=address, timeout=600) as client:
            while not server.started:
                time.sleep(0.05)
            yield client
        server.should_exit = True
        thread.join()


def fill(store: Store, n: int) -> None:
    store.accounts.add_user("ada", "operator", user_id="ada")
    store.tasks.create(NewTask("ada", "momentum", {"task": {}}, id="big"))
    lease = store.queue.lease("w", 86_400)
    assert lease is not None
    save_all(store, lease, make_history(n), 0, n, 4096)
    store.queue.finish(lease, "completed", stop_reason="budget", result={})


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the milliseconds that something took, and those of this process's processor time."""
    begun, used = time.perf_counter(), time.process_time()
    work()
    return 1e3 * (time.perf_counter() - begun), 1e3 * (time.process_time() - used)


def line(name: str, work: Callable[[int], object], times: int) -> None:
    taken = np.array([timed(lambda i=i: work(i)) for i in range(times)])  # type: ignore[misc]
    median, processor = np.median(taken, axis=0)
    print(f"| {name} | {median:,.0f} | {taken[:, 0].max():,.0f} | {processor:,.0f} |", flush=True)


class Reader:
    """Asks, and prints a line for each kind of question."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client

    def get(self, path: str, **params: object) -> httpx2.Response:
        answer = self.client.get(PATH + path, params=params)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return answer

    def often(
        self, name: str, params: Callable[[int], dict[str, object]], times: int = 20, path: str = "/history"
    ) -> None:
        line(name, lambda i: self.get(path, **params(i)), times)


def pages(reader: Reader, n: int) -> float:
    """Print how long pages take, and return the processor seconds of the process that read all trials."""
    rng = np.random.default_rng(0)
    anywhere = rng.integers(0, n - 1000, 200).tolist()
    reader.often("(the first request loads NumPy)", lambda i: {"limit": 1}, 1)
    reader.often("page of 100 trials, anywhere", lambda i: {"offset": anywhere[i]})
    reader.often("page of 1,000 trials, anywhere", lambda i: {"offset": anywhere[i], "limit": 1000})
    reader.often("the newest 100", lambda i: {"order": "descending", "offset": i})
    reader.often(
        "sorted by score, the first time: all trials are read by a child process",
        lambda i: {"sort": "score"},
        1,
    )
    (child,) = psutil.Process().children()
    used = child.cpu_times()
    reader.often(
        "sorted by score, page of 100 at any depth", lambda i: {"sort": "score", "offset": anywhere[i]}
    )
    reader.often("sorted by another metric, the first time", lambda i: {"sort": "max_drawdown"}, 1)
    reader.often(
        "sorted by it, page of 100 at any depth", lambda i: {"sort": "max_drawdown", "offset": anywhere[i]}
    )
    chosen = {"sort": "score", "state": "completed", "feasible": True}
    reader.often(
        "chosen by state and score, sorted by score: another choice each time",
        lambda i: {**chosen, "min_score": i / 50},
    )
    reader.often("the pages that follow", lambda i: {**chosen, "min_score": 0.1, "offset": 100 * i})
    reader.often("one trial", lambda i: {}, path="/history/4711")
    reader.often("convergence in 500 points", lambda i: {"points": 500}, path="/convergence")
    tag = reader.get("/history", sort="score").headers["etag"]
    headers = {"If-None-Match": tag}
    answer = reader.client.get(f"{PATH}/history", params={"sort": "score"}, headers=headers)
    assert answer.status_code == 304
    line(
        "what the caller has already (304)",
        lambda i: reader.client.get(f"{PATH}/history", params={"sort": "score"}, headers=headers),
        20,
    )
    return used.user + used.system


def export(client: httpx2.Client, kind: str) -> None:
    me, most, size, begun = psutil.Process(), 0, 0, time.perf_counter()
    first = 0.0
    with client.stream("GET", f"{PATH}/export", params={"format": kind}) as answer:
        for block in answer.iter_bytes(1 << 20):
            first = first or time.perf_counter() - begun
            size += len(block)
            most = max([most, *(child.memory_info().rss for child in me.children())])
    seconds = time.perf_counter() - begun
    print(f"| {kind} | {size / 1e6:,.0f} | {first:.1f} | {seconds:.1f} | {most / 1e6:,.0f} |", flush=True)


def main() -> None:
    configure_logs("error", "text")
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.db") as store:
        store.upgrade()
        print(f"# Reading a task of {n:,} trials of 5 parameters over HTTP\n")
        print("    .venv/bin/python benchmarks/service/bench_history.py\n")
        print(f"Machine: {machine_line()}.\n")
        print("Processor time is that of service and client together, which are one process here.\n")
        fill(store, n)
        with served(store, Path(folder)) as client:
            before = psutil.Process().memory_info().rss
            print("| what | median, ms | longest, ms | processor, ms |\n|---|---|---|---|")
            indexing = pages(Reader(client), n)
            print(
                "\n| export | MB | first byte, s | all, s | memory of its process, MB |\n|---|---|---|---|---|"
            )
            for kind in ("csv", "parquet", "json"):
                export(client, kind)
            grown = psutil.Process().memory_info()
            files = sum(path.stat().st_size for path in Path(folder, "cache").rglob("*") if path.is_file())
            print(
                f"\nReading all trials took {indexing:.1f} s of processor time, the start of the process included. "
                f"The files that sorting made: {files / 1e6:,.0f} MB. The service grew by "
                f"{(grown.rss - grown.shared - before) / 1e6:,.0f} MB beside what it maps of them "
                f"(client and data of the benchmark in the same process)."
            )


if __name__ == "__main__":
    main()
