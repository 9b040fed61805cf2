"""Requests at a constant rate beside open websockets, while a real task runs in the service's worker.

    python benchmarks/service/bench_load.py [--seconds 300] [--rate 300] [--sockets 200]

Open loop: a request is due at its moment whether or not the ones before it were answered, and its time counts from
that moment, so a service that falls behind cannot hide it. The client is a process of its own.
``/health`` is asked too, at a tenth of the rate: it is the least that a route can do on this machine at this time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import httpx2
import numpy as np
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).parents[1]))
from running_service import RunningService, allow_many_files, running_service

from machine import machine_line, versions

MIX = {
    "status": (40, "/api/v1/optimize/{task}/status"),
    "list": (20, "/api/v1/optimize/tasks?limit=20"),
    "history": (20, "/api/v1/optimize/{task}/history?limit=50"),
    "best-params": (20, "/api/v1/optimize/{task}/best-params"),
}
REFERENCE = "health"
PATIENCE = 60.0
IDLE = 3.0
TASK = {
    "strategy_name": "momentum",
    "optimization_type": "random",
    "optimization_config": {"n_calls": 100_000_000, "parallel_workers": 1},
}
OTHERS = 30


class Connection:
    """One connection that is kept open; HTTP/1.1 as far as it is needed here."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.used = 0.0

    async def get(self, path: str, key: str) -> int:
        """Return the status of a request; the body is read and forgotten."""
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n"
        self.writer.write(head.encode())
        answer = await self.reader.readuntil(b"\r\n\r\n")
        lines = answer.decode("latin-1").lower().split("\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
        await self.reader.readexactly(length)
        return int(answer[9:12])


class Load:
    """Asks at a constant rate and notes what became of it."""

    def __init__(self, port: int, key: str, task: str) -> None:
        self.port, self.key, self.task = port, key, task
        self.free: list[Connection] = []
        self.times: dict[str, list[float]] = defaultdict(list)
        self.statuses: Counter[str] = Counter()
        self.late = 0.0
        self.most_connections = 0

    async def run(self, rate: float, seconds: float) -> None:
        """Ask `rate` times a second, and the reference route a tenth as often."""
        loop = asyncio.get_running_loop()
        names, weights = list(MIX), [weight for weight, _ in MIX.values()]
        chance = random.Random(1)
        begun = loop.time()
        jobs = set()
        for number in itertools.count():
            due = begun + number / (1.1 * rate)
            if due > begun + seconds:
                break
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            self.late = max(self.late, loop.time() - due)
            name = REFERENCE if number % 11 == 0 else chance.choices(names, weights)[0]
            job = asyncio.create_task(self._ask(name, due))
            jobs.add(job)
            job.add_done_callback(jobs.discard)
        await asyncio.gather(*jobs)

    async def _ask(self, name: str, due: float) -> None:
        path = "/health" if name == REFERENCE else MIX[name][1].format(task=self.task)
        try:
            async with asyncio.timeout(PATIENCE):
                connection = await self._connection()
                status = str(await connection.get(path, self.key))
            connection.used = asyncio.get_running_loop().time()
            self.free.append(connection)
        except Exception as error:
            status = type(error).__name__
        self.statuses[status] += 1
        self.times[name].append(asyncio.get_running_loop().time() - due)

    async def _connection(self) -> Connection:
        """Return a free connection that the server has not closed for idleness, or a new one."""
        while self.free:
            connection = self.free.pop()
            if asyncio.get_running_loop().time() - connection.used < IDLE:
                return connection
            connection.writer.close()
        return await self._connect()

    async def _connect(self) -> Connection:
        self.most_connections += 1
        return Connection(*await asyncio.open_connection("127.0.0.1", self.port))


class Watching:
    """Open sockets, spread over the channels."""

    def __init__(self) -> None:
        self.frames = self.gaps = self.closed = 0

    async def watch(self, port: int, key: str, task: str, channel: str, opened: asyncio.Semaphore) -> None:
        """Read frames until cancelled."""
        url = f"ws://127.0.0.1:{port}/ws/optimize/{task}/{channel}"
        headers = {"Authorization": f"Bearer {key}"}
        async with connect(
            url, additional_headers=headers, compression=None, proxy=None, open_timeout=120
        ) as socket:
            opened.release()
            seq = None
            async for text in socket:
                frame = json.loads(text)
                self.frames += 1
                self.gaps += frame["type"] == "events" and seq is not None and frame["first"] != seq + 1
                seq = frame["seq"]
        self.closed += 1


async def run_client(port: int, key: str, task: str, rate: float, seconds: float, sockets: int) -> None:
    """Load the service and print what was found."""
    watching, opened = Watching(), asyncio.Semaphore(0)
    channels = itertools.cycle(("progress", "results", "convergence"))
    watchers = [
        asyncio.create_task(watching.watch(port, key, task, next(channels), opened)) for _ in range(sockets)
    ]
    for _ in range(sockets):
        await opened.acquire()
    warm = Load(port, key, task)
    await warm.run(rate / 3, min(5.0, seconds))
    print(json.dumps({"warm": True}), flush=True)
    load = Load(port, key, task)
    await load.run(rate, seconds)
    for watcher in watchers:
        watcher.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*watchers, return_exceptions=True)
    found = {
        "times": dict(load.times),
        "statuses": dict(load.statuses),
        "late": load.late,
        "connections": load.most_connections,
        "frames": watching.frames,
        "gaps": watching.gaps,
        "closed": watching.closed,
    }
    print(json.dumps(found), flush=True)


# -- the parent -----------------------------------------------------------------------------------------------


def prepare(service: RunningService) -> str:
    """Start the task, and put others into the list; return its id once it has trials."""
    with httpx2.Client(
        base_url=f"http://127.0.0.1:{service.port}/api/v1/optimize",
        headers={"Authorization": f"Bearer {service.key}"},
        timeout=60,
        trust_env=False,
    ) as client:
        task: str = client.post("/start", json=TASK).raise_for_status().json()["task_id"]
        for _ in range(OTHERS):
            client.post("/start", json=TASK | {"priority": -1}).raise_for_status()
        while client.get(f"/{task}/status").json()["trials"] < 1000:
            time.sleep(0.2)
            assert client.get(f"/{task}/status").json()["status"] in ("queued", "running")
    return task


def trials_of(service: RunningService, task: str) -> int:
    url = f"http://127.0.0.1:{service.port}/api/v1/optimize/{task}/status"
    answer = httpx2.get(url, headers={"Authorization": f"Bearer {service.key}"}, timeout=60, trust_env=False)
    return int(answer.json()["trials"])


def row(name: str, times: list[float]) -> str:
    p50, p99, most = 1e3 * np.quantile(times, [0.5, 0.99, 1.0])
    return f"| {name} | {len(times):,} | {p50:.1f} | {p99:.1f} | {most:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--rate", type=float, default=300.0)
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1, help="of the task that runs meanwhile")
    parser.add_argument("--client-of", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    allow_many_files()
    if given.client_of:
        port, key, task = given.client_of
        asyncio.run(run_client(int(port), key, task, given.rate, given.seconds, given.sockets))
        return
    print("## Requests and websockets while a task runs\n")
    packages = ["uvicorn", "httptools", "uvloop", "fastapi", "starlette", "sqlalchemy", "pydantic"]
    print(machine_line() + "; " + versions(packages) + "\n")
    with running_service(
        "--workers",
        "1",
        "--threads",
        str(given.threads),
        requests_a_second=10 * given.rate,
        task_memory=16_000,  # it keeps millions of trials
    ) as service:
        task = prepare(service)
        command = [sys.executable, __file__, "--client-of", str(service.port), service.key, task]
        for name in ("rate", "seconds", "sockets"):
            command += [f"--{name}", str(getattr(given, name))]
        client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert client.stdout is not None
        client.stdout.readline()
        before, files, cpu = service.megabytes(), service.open_files(), service.cpu_seconds()
        trials, begun = trials_of(service, task), time.monotonic()
        loads = []
        middle = before
        while client.poll() is None and not (line := _line(client, 5.0)):
            loads.append(os.getloadavg()[0])
            if time.monotonic() - begun < given.seconds / 2:
                middle = service.megabytes()
        found = json.loads(line)
        seconds = time.monotonic() - begun
        cpu = service.cpu_seconds() - cpu
        after = service.megabytes()
        trials = trials_of(service, task) - trials
        report(given, found, locals())


def _line(client: subprocess.Popen[str], seconds: float) -> str:
    """Return the next line of the client, or nothing when none comes in time."""
    import select

    assert client.stdout is not None
    ready, _, _ = select.select([client.stdout], [], [], seconds)
    return client.stdout.readline() if ready else ""


def report(given: argparse.Namespace, found: dict, seen: dict) -> None:
    """Print the tables."""
    times = found["times"]
    asked = [time for name, some in times.items() if name != REFERENCE for time in some]
    failed = {status: count for status, count in found["statuses"].items() if status != "200"}
    print(
        f"{given.rate:g} requests a second, open loop, over {given.seconds:g} s, beside {given.sockets} websockets "
        f"on the running task (progress, results, convergence in turn). Milliseconds from when a request was due.\n"
    )
    print("| route | requests | p50 | p99 | most |\n|---|---:|---:|---:|---:|")
    print(row("**all of these**", asked))
    for name in MIX:
        print(row(f"{name} ({MIX[name][0]} %)", times[name]))
    print(row("/health, for comparison", times[REFERENCE]))
    ratio = np.quantile(asked, 0.99) / np.quantile(times[REFERENCE], 0.99)
    problems = [line for line in seen["service"].lines if '"level"' in line]
    fives = sum(count for status, count in failed.items() if status.startswith("5"))
    print(f"\np99 is {ratio:.1f} times that of /health in the same run.\n")
    print("| | |\n|---|---|")
    rows = [
        ("answers of the kind 5xx", f"{fives}"),
        ("answers other than 200", f"{failed or 0}"),
        ("the client was late by at most", f"{1e3 * found['late']:.0f} ms"),
        ("connections that the client needed", f"{found['connections']}"),
        (
            "websockets: frames, gaps, closed early",
            f"{found['frames']:,}, {found['gaps']}, {found['closed']}",
        ),
        (
            "memory of the API at the start, halfway, at the end",
            f"{seen['before']:.0f}, {seen['middle']:.0f}, {seen['after']:.0f} MB",
        ),
        ("open files of the API before", f"{seen['files']}"),
        ("one core of the API busy", f"{100 * seen['cpu'] / seen['seconds']:.0f} %"),
        ("trials that the task made meanwhile", f"{seen['trials']:,}"),
        (
            "load of the machine: least, median, most",
            ", ".join(f"{load:.1f}" for load in np.quantile(seen["loads"], [0, 0.5, 1])),
        ),
        ("warnings and errors in the log", f"{len(problems)}"),
    ]
    for name, value in rows:
        print(f"| {name} | {value} |")
    for line in problems[:5]:
        print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
