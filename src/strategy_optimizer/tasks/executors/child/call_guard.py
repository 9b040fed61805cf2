"""The guard of one call that cannot be trusted to end well: starts it, watches its limits, and ends it.

It is the parent of the call's process and, on Linux, of every orphan below it, so nothing can leave its sight. It ends
everything when the process that asked is gone.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time

from . import system, tree
from .words import death_text, size_text

TYPE_CHECKING = False  # the module typing is not imported for its name
if TYPE_CHECKING:
    from typing import Any

TAIL = 4096
"""Bytes of output that are kept to explain a death."""
TICK = 0.05


def main(text: str) -> None:
    """Guard one call until it is gone; `text` are the settings as JSON, the report goes to standard output."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    system.adopt_orphans()
    try:
        report = Guard(json.loads(text)).watch()
    except Exception as error:
        tree.end_all(os.getpid())
        report = {"failure": "crashed", "message": f"its guard failed: {type(error).__name__}: {error}"}
    try:
        os.write(1, json.dumps(report).encode())
    except OSError:
        return  # who asked is gone, and everything below this process too


class Guard:
    """Watches one call.

    Parameters
    ----------
    settings : dict
        command, limits, parent, files. See `catalogue.confinement`.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._limits = settings["limits"]
        self._parent: int = settings["parent"]
        self._begun = time.monotonic()
        self._failure = ""
        self._message = ""
        self._written = 0
        self._most = 0
        self._tail = b""
        self._output, output = os.pipe()
        os.set_blocking(self._output, False)
        guard = os.getpid()
        worker = os.fork()
        if worker == 0:
            try:
                _become(settings, guard, output)
            finally:
                os._exit(127)
        tree.reaped.worker = worker
        os.close(output)
        for file in settings["files"]:
            os.close(file)
        self._exit_file = system.exit_file(worker)

    def watch(self) -> dict[str, Any]:
        """Return how the call ended, when it and all its descendants are gone."""
        events = select.poll()
        for file in (0, self._output, self._exit_file):
            if file is not None:
                events.register(file, select.POLLIN)
        while not self._failure and tree.reaped.status is None:
            for file, _ in events.poll(1000 * TICK):
                if file == 0:
                    self._fail("crashed", "nobody waits for it any more")
                elif file == self._output:
                    self._drain(events)
            self._look()
        left = tree.end_all(os.getpid())
        self._drain(None)
        return self._report(left)

    def _drain(self, events: select.poll | None) -> None:
        for _ in range(16):
            try:
                part = os.read(self._output, 65536)
            except OSError:  # nothing now
                return
            if not part:
                if events is not None:
                    events.unregister(self._output)
                return
            self._written += len(part)
            self._tail = (self._tail + part)[-TAIL:]
            if self._written > self._limits["output"]:
                limit = size_text(self._limits["output"])
                self._fail("output_limit", f"wrote more than {limit} to its output")
                return

    def _look(self) -> None:
        tree.reap()
        seconds = self._limits["seconds"]
        if os.getppid() != self._parent:
            self._fail("crashed", "nobody waits for it any more")
        elif tree.reaped.status is None and time.monotonic() - self._begun > seconds:
            self._fail("time_limit", f"ran longer than {seconds:g} s")
        else:
            self._measure()

    def _measure(self) -> None:
        pids = tree.descendants(os.getpid())
        memory, _ = tree.use_of(pids)
        self._most = max(self._most, memory)
        if memory > self._limits["memory"]:
            used, limit = size_text(memory), size_text(self._limits["memory"])
            self._fail("memory_limit", f"used {used} of memory, more than {limit}")
        elif len(pids) > self._limits["processes"]:
            limit = self._limits["processes"]
            self._fail("process_limit", f"had {len(pids)} processes at once, more than {limit}")

    def _fail(self, failure: str, message: str) -> None:
        if not self._failure:
            self._failure, self._message = failure, message

    def _report(self, left: list[int]) -> dict[str, Any]:
        status = tree.reaped.status or 0
        if not self._failure and status != 0:
            self._failure, self._message = "crashed", death_text(status)
        return {
            "failure": self._failure,
            "message": self._message,
            "seconds": time.monotonic() - self._begun,
            "memory": self._most,
            "tail": self._tail.decode("utf-8", "replace"),
            "left": left,
        }


def _become(settings: dict[str, Any], guard: int, output: int) -> None:
    """Become the process of the call."""
    os.setsid()
    system.die_with(guard)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for file in settings["files"]:
        os.set_inheritable(file, True)
    limits = settings["limits"]
    system.lower("RLIMIT_CORE", 0)
    system.lower("RLIMIT_FSIZE", limits["file_size"])
    system.lower("RLIMIT_NOFILE", 256)
    # The guard is exact; the kernel is there when the guard is not.
    system.lower("RLIMIT_CPU", int(4 * limits["seconds"] + 10))
    os.execv(settings["command"][0], settings["command"])
