"""A real service in a process of its own, on a free port of this machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START = 60.0


@dataclass
class Running:
    """The process, what it said, and how it is reached."""

    process: subprocess.Popen[str]
    url: str = ""
    key: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def stop(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(START)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def start_process(
    data_dir: Path, *options: str, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start the command as a user does."""
    command = [sys.executable, "-m", "strategy_optimizer", "serve", "--port", "0", *options]
    environment = {**os.environ, "STRATEGY_OPTIMIZER_DATA_DIR": str(data_dir), **(variables or {})}
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


@contextmanager
def serving(data_dir: Path, *options: str, variables: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Start a service, wait until it says where it listens, and end it."""
    process = start_process(data_dir, *options, variables=variables)
    running = Running(process)
    ready = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            running.lines.append(line)
            if found := re.search(r"listens on (http://\S+)", line):
                running.url = found[1]
                ready.set()
            elif found := re.search(r"^  (so_\S+)$", line):
                running.key = found[1]
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert ready.wait(START), "the service did not say where it listens"
        assert running.url, "".join(running.lines)
        if (file := data_dir / "admin.key").exists():
            running.key = file.read_text().strip()
        yield running
    finally:
        running.stop()
        reader.join(START)
        assert process.stderr is not None
        process.stderr.close()
