"""The service as users start it, in a process and a folder of its own, for the time of a benchmark."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

LISTENS = re.compile(r"listens on http://127\.0\.0\.1:(\d+)")
READY = 120.0


@dataclass
class RunningService:
    """A service that listens.

    Attributes
    ----------
    port : int
    key : str
        Of the first administrator.
    folder : Path
    process : psutil.Process
    lines : list of str
        What it said on standard error.
    """

    port: int
    key: str
    folder: Path
    process: psutil.Process
    lines: list[str]

    def megabytes(self) -> float:
        """Return what the API process has in memory, without its worker."""
        return float(self.process.memory_info().rss / 1e6)

    def cpu_seconds(self) -> float:
        """Return what the API process has computed, without its worker."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def open_files(self) -> int:
        """Return how many files and connections the API process has open."""
        return int(self.process.num_fds())


def allow_many_files() -> None:
    """Let this process, and those that it starts, have as many connections as the system allows."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def running_service(*arguments: str, **settings: object) -> Iterator[RunningService]:
    """Run ``strategy-optimizer serve``; `settings` become variables of its environment."""
    with tempfile.TemporaryDirectory(prefix="so-bench-") as folder:
        environment = os.environ | {
            f"STRATEGY_OPTIMIZER_{name.upper()}": str(value) for name, value in settings.items()
        }
        command = [sys.executable, "-m", "strategy_optimizer", "serve", "--port", "0", "--data-dir", folder]
        process = subprocess.Popen(
            [*command, "--log-format", "json", *arguments],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        lines: list[str] = []
        reader = threading.Thread(target=_keep, args=(process, lines), daemon=True)
        reader.start()
        try:
            port = _port(process, lines)
            key = (Path(folder) / "admin.key").read_text().strip()
            yield RunningService(port, key, Path(folder), psutil.Process(process.pid), lines)
        finally:
            process.terminate()
            process.wait(60)
            reader.join()


def _keep(process: subprocess.Popen[str], lines: list[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if '"level": "info"' not in line:
            lines.append(line.rstrip())


def _port(process: subprocess.Popen[str], lines: list[str]) -> int:
    end = time.monotonic() + READY
    while time.monotonic() < end and process.poll() is None:
        for line in lines:
            if (found := LISTENS.search(line)) is not None:
                return int(found[1])
        time.sleep(0.05)
    raise SystemExit("the service did not start:\n" + "\n".join(lines))
