"""Many websocket clients on one task: does each receive every sequence number, and how long do events take?

    python benchmarks/service/bench_sockets.py [--clients 1000] [--seconds 30]

The service, the writer of the events (this process) and the clients are three processes. Events are written as a
worker writes them, one transaction each tenth of a second. A tenth of the clients leaves once and comes back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

sys.path.insert(0, str(Path(__file__).parents[1]))
from running_service import allow_many_files, running_service

from machine import machine_line, versions
from strategy_optimizer.storage import NewEvent, NewTask, Store

AT_ONCE = 50
PROGRESS = {
    "progress": 0.4,
    "trials": 4000,
    "failed": 3,
    "infeasible": 0,
    "evaluations": 10_000,
    "best_score": 0.71,
    "best_parameters": {"lookback_period": 63, "threshold": 0.021},
    "elapsed": 19.0,
    "trials_per_second": 221.0,
    "seconds_left": 27.1,
    "optimizer": "ga",
    "stage": "search",
}


class Client:
    """One client; it checks that frames follow on each other."""

    def __init__(self, url: str, key: str, leaves: bool) -> None:
        self.url, self.leaves = url, leaves
        self.headers = {"Authorization": f"Bearer {key}"}
        self.begin = self.seq = -1
        self.events = self.frames = self.gaps = 0
        self.delays: list[float] = []
        self.is_open = asyncio.Event()

    async def run(self, room: asyncio.Semaphore) -> None:
        """Receive until the task has ended."""
        leaves_after = random.randint(20, 100) if self.leaves else None
        is_over = False
        while not is_over:
            query = "" if self.seq < 0 else f"?after={self.seq}"
            async with room:
                socket = await connect(
                    self.url + query,
                    additional_headers=self.headers,
                    compression=None,
                    proxy=None,
                    open_timeout=120,
                    ping_interval=None,
                ).__aenter__()
            self.is_open.set()
            is_over = await self._receive(socket, leaves_after)
            await socket.close()
            leaves_after = None

    async def _receive(self, socket: ClientConnection, leaves_after: int | None) -> bool:
        async for text in socket:
            frame = json.loads(text)
            self.frames += 1
            if frame["type"] == "snapshot":
                self.begin = self.seq = frame["seq"]
            elif frame["type"] == "events":
                self.gaps += frame["first"] != self.seq + 1
                self.seq = frame["seq"]
                self.events += len(frame["events"])
                written = datetime.fromisoformat(frame["events"][-1]["at"]).timestamp()
                self.delays.append(time.time() - written)
            elif frame["type"] == "end":
                return True
            if leaves_after is not None and self.frames >= leaves_after:
                return False
        raise SystemExit(f"closed with {socket.close_code} {socket.close_reason}")


async def run_clients(url: str, key: str, count: int) -> None:
    """Open all sockets, say so, and print what they received."""
    room = asyncio.Semaphore(AT_ONCE)
    begun = time.monotonic()
    clients = [Client(url, key, leaves=i % 10 == 0) for i in range(count)]
    jobs = [asyncio.create_task(client.run(room)) for client in clients]
    await asyncio.gather(*(client.is_open.wait() for client in clients))
    print(json.dumps({"opened": time.monotonic() - begun}), flush=True)
    await asyncio.gather(*jobs)
    delays = np.array([delay for client in clients for delay in client.delays])
    print(
        json.dumps(
            {
                "last": sorted({client.seq for client in clients}),
                "gaps": sum(client.gaps for client in clients),
                "missing": sum(client.seq - client.begin - client.events for client in clients),
                "frames": sum(client.frames for client in clients),
                "events": sum(client.events for client in clients),
                "delays": np.quantile(delays, [0.5, 0.99, 1.0]).tolist(),
            }
        ),
        flush=True,
    )


def write(store: Store, seconds: float) -> int:
    """Write events as a worker does, and end the task; return the number of its newest event."""
    lease = store.queue.lease("writer", 3600)
    assert lease is not None
    begun = time.monotonic()
    while (elapsed := time.monotonic() - begun) < seconds:
        store.queue.tell(lease, [NewEvent("progress", PROGRESS | {"elapsed": elapsed})])
        time.sleep(0.1)
    return store.queue.finish(lease, "completed", stop_reason="budget").events


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--client-of", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    allow_many_files()
    if given.client_of:
        asyncio.run(run_clients(*given.client_of, given.clients))
        return
    print("## Many websockets on one task\n")
    print(machine_line() + "; " + versions(["uvicorn", "websockets", "uvloop", "starlette"]) + "\n")
    limits = {
        "sockets": given.clients + 10,
        "sockets_of_user": given.clients + 10,
        "requests_a_second": 5000,
    }
    with running_service("--workers", "0", **limits) as service, Store(service.folder / "store.db") as store:
        admin = store.accounts.users()[0]
        store.tasks.create(NewTask(admin.id, "momentum", {"task": {"strategy_name": "momentum"}}, id="opt_1"))
        before = service.megabytes()
        url = f"ws://127.0.0.1:{service.port}/ws/optimize/opt_1/progress"
        client = subprocess.Popen(
            [
                sys.executable,
                __file__,
                "--clients",
                str(given.clients),
                "--client-of",
                url,
                service.key,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdout is not None
        opened = json.loads(client.stdout.readline())["opened"]
        during, cpu, begun = service.megabytes(), service.cpu_seconds(), time.monotonic()
        last = write(store, given.seconds)
        found = json.loads(client.stdout.readline())
        seconds = time.monotonic() - begun
        cpu = service.cpu_seconds() - cpu
        client.wait(60)
        problems = [line for line in service.lines if '"level"' in line]
        complete = found["last"] == [last] and found["gaps"] == 0 and found["missing"] == 0
        median, p99, most = (1e3 * delay for delay in found["delays"])
        rows = [
            ("clients, of which a tenth left and came back", f"{given.clients:,}"),
            ("opened within", f"{opened:.1f} s"),
            ("events written to the task, the last one's number", f"{last:,}"),
            ("every client received every number exactly once", "yes" if complete else f"NO: {found}"),
            ("frames sent", f"{found['frames']:,} ({found['frames'] / seconds:,.0f} a second)"),
            ("events received", f"{found['events']:,}"),
            ("from written to received: median, p99, most", f"{median:.0f}, {p99:.0f}, {most:.0f} ms"),
            ("one core of the service busy", f"{100 * cpu / seconds:.0f} %"),
            ("memory without and with the sockets", f"{before:.0f}, {during:.0f} MB"),
            ("warnings and errors in its log", f"{len(problems)}"),
        ]
        print("| | |\n|---|---|")
        for name, value in rows:
            print(f"| {name} | {value} |")
        for line in problems[:5]:
            print(line, file=sys.stderr)
    if not complete:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
