"""Processes that use the store and may be killed at any moment.

Run as a script this file loads everything once, then forks one process for each line of its input: the name of a
part below and its arguments, as JSON. It answers with the process number.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storage_worlds import make_history, make_space
from strategy_optimizer.errors import LeaseLostError
from strategy_optimizer.storage import Lease, NewEvent, Store, TrialChunk, queue
from strategy_optimizer.tasks import TrialHistory

LEASE = 1.0
"""Seconds; a killed worker's task is free again after it."""


class Forker:
    """Starts processes quickly; on leaving, it kills those that still live."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._started: list[int] = []

    def start(self, part: str, *arguments: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([part, *map(str, arguments)]) + "\n")
        self._process.stdin.flush()
        self._started.append(int(self._process.stdout.readline()))
        return self._started[-1]

    def __enter__(self) -> Forker:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self._started:
            kill(pid)
        self._process.communicate()


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    while is_alive(pid):
        time.sleep(0.002)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def lines(path: Path) -> list[str]:
    """Return the whole lines of a file that a process writes."""
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def wait_until(condition: Any, seconds: float = 600.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# -- what the processes do -------------------------------------------------------------------------------------


def take_tasks(store: Store, says: Path, name: str) -> None:
    """Lease and end tasks until none is left."""
    while (lease := store.queue.lease(name, 60)) is not None:
        say(says, lease.task.id)
        store.queue.finish(lease, "completed", stop_reason="budget", result={"worker": name})


def append_trials(store: Store, says: Path, name: str, n: str, pause: str) -> None:
    """Make the trials of whatever task is free, from where the last worker was; say what was acknowledged."""
    queue.MOST_LOSSES = 10**6
    batches = random.Random(name)
    while True:
        with contextlib.suppress(LeaseLostError):
            for lease in leases(store, name):
                append_to(store, lease, says, int(n), float(pause), batches)
            return


def leases(store: Store, name: str) -> Iterator[Lease]:
    while store.tasks.count(states=["queued", "running"]):
        lease = store.queue.lease(name, LEASE)
        if lease is not None:
            yield lease
        time.sleep(0.01)


def append_to(store: Store, lease: Lease, says: Path, n: int, pause: float, batches: random.Random) -> None:
    task_id = lease.task.id
    whole, history = make_history(n, seed=int(task_id.split("_")[1])), TrialHistory(make_space(), 4)
    store.trials.load(task_id, history)
    say(says, f"{task_id} {len(history)}")
    at = len(history)
    while at < n:
        time.sleep(pause)
        stop = min(at + batches.randint(1, 30), n)
        store.queue.heartbeat(lease, LEASE)
        chunk = TrialChunk.of(whole, at, stop)
        store.trials.save(lease, chunk, {"told": stop}, events=[NewEvent("progress", {"trials": stop})])
        say(says, f"{task_id} {stop}")
        at = stop
    store.queue.finish(lease, "completed", stop_reason="budget")


def come_back_late(store: Store, says: Path, go: str, writes: str) -> None:
    """Take a task, stand still until it is somebody else's, then try to write it."""
    lease = store.queue.lease("zombie", LEASE)
    assert lease is not None
    say(says, lease.task.id)
    wait_until(Path(go).exists)
    chunk, refused = TrialChunk.of(make_history(5), 0, 5), 0
    for number in range(int(writes)):
        kinds = (
            lambda: store.queue.heartbeat(lease, 60),
            lambda: store.trials.save(lease, chunk, {"zombie": True}),
            lambda: store.queue.tell(lease, [NewEvent("zombie")]),
            lambda: store.queue.finish(lease, "completed"),
            lambda: store.queue.release(lease),
        )
        try:
            kinds[number % len(kinds)]()
        except LeaseLostError:
            refused += 1
    say(says, str(refused))


def toggle(store: Store, says: Path, task_id: str, times: str) -> None:
    """Pause a task and queue it again, many times."""
    for _ in range(int(times)):
        store.tasks.pause(task_id)
        store.tasks.resume(task_id)
    say(says, "done")


def say(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


PARTS = {function.__name__: function for function in (take_tasks, append_trials, come_back_late, toggle)}


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes
    for line in sys.stdin:
        part, url, says, *arguments = json.loads(line)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                with Store(url) as store:
                    PARTS[part](store, Path(says), *arguments)
                code = 0
            finally:
                os._exit(code)
        print(pid, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
