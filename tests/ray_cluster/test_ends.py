"""However the program ends, nothing of a cluster that it started is left."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

SCRIPT = """
import json, signal, subprocess, sys
import psutil
from strategy_optimizer.tasks.executors import RayExecutor

def start(parameters):
    return subprocess.Popen(["sleep", "600"], start_new_session=True).pid

handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
executor = RayExecutor(start, workers=1)
executor.submit(0, None)
(outcome,) = executor.wait()
processes = psutil.Process().children(recursive=True)
folder = next(filter(None, (process.environ().get("STRATEGY_OPTIMIZER_RAY") for process in processes)))
print(json.dumps({
    "pids": [outcome.value, *(process.pid for process in processes)],
    "folder": folder,
    "same_signals": handlers == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)],
}), flush=True)
if sys.argv[1] == "close":
    executor.close()
elif sys.argv[1] == "wait":
    sys.stdin.read()
"""


def start(how: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    return process, json.loads(line)


def gone(pids: list[int], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while any(map(runs, pids)) and time.monotonic() < end:
        time.sleep(0.1)
    left = [psutil.Process(pid) for pid in pids if runs(pid)]
    assert not left, left
    return True


def runs(pid: int) -> bool:
    """Say whether there is such a process, and not only its exit code for a parent that did not ask yet."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone_folder(folder: str, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while Path(folder).exists() and time.monotonic() < end:
        time.sleep(0.1)
    return not Path(folder).exists()


@pytest.mark.parametrize("how", ["close", "forget"])
def test_a_program_that_ends(how: str) -> None:
    process, facts = start(how)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert rest == ""
    assert len(facts["pids"]) >= 4
    assert facts["same_signals"]
    assert gone(facts["pids"])
    assert not Path(facts["folder"]).exists()


def test_a_program_that_is_killed() -> None:
    process, facts = start("wait")
    process.kill()
    process.communicate()
    assert gone(facts["pids"])
    assert gone_folder(facts["folder"])
