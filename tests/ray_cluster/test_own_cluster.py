"""A cluster of our own: closed to others, quiet, survives what trials do, and gone when it is closed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ray_behaviours import make_function, process_of, run

from strategy_optimizer.errors import UnsendableError
from strategy_optimizer.tasks.executors import Limits, RayExecutor
from strategy_optimizer.tasks.executors.ray_leftovers import MARK

LIMITS = Limits(seconds=4.0, memory=600 * 2**20)


@pytest.fixture(scope="module")
def executor() -> Iterator[RayExecutor]:
    with RayExecutor(make_function(), workers=2, limits=LIMITS, store=100 * 2**20) as executor:
        yield executor


def own_processes() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_it_listens_on_the_loopback_interface_alone(executor: RayExecutor) -> None:
    run(executor, [{}] * 4)
    listening = [
        connection.laddr.ip
        for process in [psutil.Process(), *own_processes()]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 5
    assert set(listening) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_the_token_is_nowhere_to_be_read(executor: RayExecutor) -> None:
    processes = own_processes()
    folder = Path(next(filter(None, (process.environ().get(MARK) for process in processes))))
    token = (folder / "token").read_text()
    assert len(token) == 64
    assert folder.stat().st_mode & 0o077 == 0
    assert not any(token in " ".join(process.cmdline()) for process in processes)
    assert not any(token in value for process in processes for value in process.environ().values())
    found = [path for path in folder.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert found == [folder / "token"]


def test_who_has_no_token_is_refused(executor: RayExecutor) -> None:
    import ray

    address = ray.get_runtime_context().gcs_address
    code = (
        f"from strategy_optimizer.tasks.executors import RayExecutor\nRayExecutor(abs, address={address!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env={**os.environ}
    )
    assert done.returncode == 1
    assert f"ExecutorError: the Ray cluster at {address} does not accept the token" in done.stderr


def test_there_is_no_dashboard(executor: RayExecutor) -> None:
    commands = [" ".join(process.cmdline()) for process in own_processes()]
    assert any("gcs_server" in command for command in commands)
    assert not any("dashboard.py" in command or "monitor.py" in command for command in commands)


def test_the_data_lie_in_the_object_store_once_and_cannot_be_changed(executor: RayExecutor) -> None:
    for outcome in run(executor, [{"do": "data"}] * 6):
        assert outcome.value == (499999500000.0, False, False)
    (changed,) = run(executor, [{"do": "write"}])
    assert changed.reason == "raised: ValueError: assignment destination is read-only"


def test_each_worker_has_one_thread(executor: RayExecutor) -> None:
    (outcome,) = run(executor, [{"do": "threads"}])
    assert outcome.value == {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


def test_short_runs_travel_in_batches(executor: RayExecutor) -> None:
    outcomes = run(executor, [{"x": x} for x in range(3000)])
    assert [outcome.value for outcome in outcomes] == [2 * x for x in range(3000)]
    assert executor.capacity > 40
    run(executor, [{"seconds": 0.2}] * 4)
    assert executor.capacity == 4


def test_a_run_that_ends_its_worker_has_crashed(executor: RayExecutor) -> None:
    before = executor.usage()
    many = [{"x": x} for x in range(200)]
    outcomes = run(executor, [*many, {"do": "exit"}, *many, {"do": "segfault"}, *many])
    assert [outcomes[at].reason for at in (200, 401)] == ["crashed: its worker process died 3 times"] * 2
    values = [outcome.value for number, outcome in enumerate(outcomes) if number not in (200, 401)]
    assert values == [2 * x for x in range(200)] * 3
    assert executor.usage().restarted >= before.restarted + 6
    assert executor.usage().retried >= before.retried + 4


def test_a_run_that_hangs_meets_its_limit_and_those_beside_it_do_not(executor: RayExecutor) -> None:
    many = [{"x": x} for x in range(300)]
    outcomes = run(executor, [*many, {"do": "hang"}, *many, {"do": "hold"}, *many])
    assert [outcomes[at].reason for at in (300, 601)] == ["time_limit: ran longer than 4 s"] * 2
    values = [outcome.value for number, outcome in enumerate(outcomes) if number not in (300, 601)]
    assert values == [2 * x for x in range(300)] * 3


def test_others_do_what_waits_behind_a_long_run(executor: RayExecutor) -> None:
    run(executor, [{"seconds": 0.01}] * 20)
    for number in range(40):
        executor.submit(number, {"do": "hang"} if number == 0 else {"seconds": 0.01})
    taken = []
    while executor.in_flight > 1:
        taken += [outcome.number for outcome in executor.wait()]
    assert sorted(taken) == list(range(1, 40))
    assert [outcome.failure for outcome in executor.wait()] == ["time_limit"]


def test_a_run_that_eats_memory_is_stopped(executor: RayExecutor) -> None:
    outcomes = run(executor, [{"x": 1}, {"do": "eat"}, {"x": 2}])
    assert [outcome.value for outcome in outcomes] == [2, None, 4]
    assert outcomes[1].failure == "memory_limit"
    assert outcomes[1].message.endswith("more than 600 MB")


def test_what_a_run_started_ends_with_its_worker(executor: RayExecutor) -> None:
    started, _ = run(executor, [{"do": "start"}, {}])
    assert psutil.pid_exists(started.value)
    os.kill(process_of(started), signal.SIGKILL)
    run(executor, [{"seconds": 0.5}] * 4)
    assert (
        not psutil.pid_exists(started.value) or psutil.Process(started.value).status() == psutil.STATUS_ZOMBIE
    )


def test_what_runs_print_is_not_ours_to_print(
    executor: RayExecutor, capfd: pytest.CaptureFixture[str]
) -> None:
    run(executor, [{"do": "print", "lines": 3}, {"do": "exit"}])
    time.sleep(1.0)
    assert capfd.readouterr() == ("", "")


def test_printing_without_end_does_not_fill_the_disk(executor: RayExecutor) -> None:
    folder = Path(next(filter(None, (process.environ().get(MARK) for process in own_processes()))))
    run(executor, [{"do": "print", "lines": 50_000}] * 2)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 60e6


def test_what_cannot_be_sent_is_named() -> None:
    lock = threading.Lock()
    with pytest.raises(UnsendableError, match=r"variable 'lock' is a _thread\.lock"):
        RayExecutor(lambda parameters: lock.acquire(), workers=1)
