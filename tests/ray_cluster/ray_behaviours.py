"""One function that does whatever its argument says, and the collection of outcomes."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from strategy_optimizer.tasks.executors import Executor, Outcome


def make_function() -> Callable[[dict[str, Any]], Any]:
    """Return the function; it holds 8 MB of data."""
    data = np.arange(1_000_000.0)

    def function(parameters: dict[str, Any]) -> Any:
        seconds = parameters.get("seconds", 0.0)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        match parameters.get("do"):
            case "exit":
                os._exit(3)
            case "segfault":
                ctypes.string_at(0)
            case "hang":
                time.sleep(600)
            case "hold":  # nothing else of the process runs any more
                ctypes.PyDLL(None).sleep(600)
            case "eat":
                kept = []
                for _ in range(4000):
                    kept.append(np.ones(2**17))
                    time.sleep(0.001)
            case "start":
                return subprocess.Popen(["sleep", "600"], start_new_session=True).pid
            case "data":
                return float(data.sum()), data.flags.writeable, data.flags.owndata
            case "threads":
                return {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")}
            case "print":
                for _ in range(parameters["lines"]):
                    sys.stdout.write("x" * 1000 + "\n")
            case "write":
                data[0] = 1.0
        return parameters.get("x", 0) * 2

    return function


def collect(executor: Executor, patience: float = 240.0) -> dict[int, Outcome]:
    """Wait for everything in flight, once each."""
    found: dict[int, Outcome] = {}
    end = time.monotonic() + patience
    while executor.in_flight:
        for outcome in executor.wait(timeout=1.0):
            assert outcome.number not in found, f"delivered twice: {outcome}"
            found[outcome.number] = outcome
        assert time.monotonic() < end, f"{executor.in_flight} runs have no outcome; {executor.usage()}"
    return found


def run(executor: Executor, arguments: Sequence[dict[str, Any]]) -> list[Outcome]:
    """Submit all at once; return the outcomes in the order of the arguments."""
    for number, argument in enumerate(arguments):
        executor.submit(number, argument)
    found = collect(executor)
    assert sorted(found) == list(range(len(arguments)))
    return [found[number] for number in range(len(arguments))]


def process_of(outcome: Outcome) -> int:
    """Return the id of the process that made it."""
    match = re.search(r"process (\d+) ", outcome.worker)
    assert match is not None
    return int(match[1])
