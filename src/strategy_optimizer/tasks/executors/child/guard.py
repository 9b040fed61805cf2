"""The guard of one worker: starts it, watches its limits, and ends it with everything that it started.

It is the parent of the worker and, on Linux, of every orphan below it, so nothing can leave its sight. It ends when the
worker does, or when the pool's process is gone, and only after its last descendant.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import select
import signal
import sys
import time

from . import cgroup, system, tree
from .page import IDLE, Page
from .words import size_text

TYPE_CHECKING = False  # the module typing is not imported for its name
if TYPE_CHECKING:
    from typing import Any

TAIL = 4096
"""Bytes of output that are kept to explain a death."""
GRACE = 0.5
"""Seconds that an idle worker has to end itself when the pool closes."""
LOADING = 600.0
"""Seconds that a worker may need to load its function."""


def main(text: str) -> None:
    """Guard one worker until it is gone; `text` are the settings as JSON."""
    settings = json.loads(text)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    control: int = settings["control"]
    os.set_inheritable(control, False)
    try:
        report = Guard(settings).watch()
    except Exception as error:
        tree.end_all(os.getpid())
        report = {"verdict": "guard", "message": f"its guard failed: {type(error).__name__}: {error}"}
    try:
        os.write(control, json.dumps(report).encode())
    except OSError:
        return  # the pool's process is gone, and everything below this one too


class Guard:
    """Watches one worker.

    Parameters
    ----------
    settings : dict
        Of the pool: files, limits, where to look. See `worker_process.WorkerProcess`.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._limits = settings["limits"]
        self._control: int = settings["control"]
        self._tick: float = settings["tick"]
        self._parent: int = settings["parent"]
        self._page = Page(mmap.mmap(settings["table"], 0), settings["slot"])
        self._verdict = ""
        self._message = ""
        self._run: tuple[int, int, float] = (0, IDLE, 0.0)
        self._most = 0
        self._written = 0
        self._tail = b""
        self._log: int | None = settings.get("log")
        self._log_room: int = settings.get("log_bytes", 0)
        if self._log is not None:
            os.set_inheritable(self._log, False)
            os.set_blocking(self._log, False)
        self._leaves_at = float("inf")
        self._measured = 0.0
        self._ready = False
        system.adopt_orphans()
        self._begun = time.monotonic()
        self._group = cgroup.make(settings["cgroup"], settings["mark"]) if settings["cgroup"] else None
        self._start()

    # -- the worker ------------------------------------------------------------------------------------------

    def _start(self) -> None:
        guard = os.getpid()
        self._output, output = os.pipe()
        os.set_blocking(self._output, False)
        self._worker = os.fork()
        if self._worker == 0:
            try:
                self._become_worker(guard, output)
            finally:
                os._exit(127)
        tree.reaped.worker = self._worker
        os.close(output)
        for name in ("jobs", "data"):
            if name in self._settings:
                os.close(self._settings[name])
        self._exit_file = system.exit_file(self._worker)

    def _become_worker(self, guard: int, output: int) -> None:
        os.setsid()
        system.die_with(guard)
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        if self._group and not cgroup.join(self._group):
            self._group = None
        nothing = os.open(os.devnull, os.O_RDONLY)
        for file, number in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(file, number)
        command: list[str] = self._settings["command"]
        os.execv(command[0], command)

    # -- watching --------------------------------------------------------------------------------------------

    def watch(self) -> dict[str, Any]:
        """Return how the worker ended, when it and all its descendants are gone."""
        events = select.poll()
        for file in (self._control, self._output, self._exit_file):
            if file is not None:
                events.register(file, select.POLLIN)
        while not self._verdict and tree.reaped.status is None:
            for file, _ in events.poll(self._patience()):
                if file == self._control:
                    self._listen(events)
                elif file == self._output:
                    self._drain(events)
                else:
                    tree.reap()
            self._look()
        seconds = time.monotonic() - self._run[2] if self._run[1] != IDLE else 0.0
        left = self._end_all()
        return self._report(seconds, left)

    def _patience(self) -> float:
        """Return the milliseconds until something may have to be done."""
        now = time.monotonic()
        wait = self._tick if self._exit_file is not None else min(self._tick, 0.02)
        if self._run[1] != IDLE and self._limits["seconds"] is not None:
            wait = min(wait, self._run[2] + self._limits["seconds"] - now)
        return 1000 * max(min(wait, self._leaves_at - now), 0.001)

    def _listen(self, events: select.poll) -> None:
        try:
            heard = os.read(self._control, 64)
        except OSError:
            heard = b""
        if heard:
            self._verdict = "stopped"
            return
        events.unregister(self._control)
        self._pool_is_gone()

    def _pool_is_gone(self) -> None:
        """End: at once when something runs, and soon when nothing does, so that the worker may end itself."""
        if self._page.run()[1] != IDLE or not self._page.run()[0]:
            self._verdict = "closed"
        self._leaves_at = min(self._leaves_at, time.monotonic() + GRACE)

    def _drain(self, events: select.poll | None) -> None:
        for _ in range(16):
            try:
                part = os.read(self._output, 65536)
            except BlockingIOError:
                return
            except OSError:
                part = b""
            if not part:
                if events is not None:
                    events.unregister(self._output)
                return
            self._note_turn()
            self._written += len(part)
            self._tail = (self._tail + part)[-TAIL:]
            self._pass_on(part)
            if events is not None and self._check("output", self._written, "output_limit"):
                self._message = f"wrote more than {size_text(self._limits['output'])} to its output"
                return

    def _pass_on(self, part: bytes) -> None:
        """Give output to whoever keeps the log: the first of it, and nothing that nobody takes in time."""
        if self._log is None or self._log_room <= 0:
            return
        with contextlib.suppress(OSError):
            self._log_room -= os.write(self._log, part[: self._log_room])

    def _note_turn(self) -> None:
        """Find out which run it is; what one wrote and used is not held against the next."""
        run = self._page.run()
        if run[0] != self._run[0]:
            self._written, self._tail, self._most = 0, b"", 0
            if memory := self._page.memory():
                self._limits = {**self._limits, "memory": memory}
        self._run = run

    def _look(self) -> None:
        if self._verdict:
            return
        self._note_turn()
        now = time.monotonic()
        if now >= self._leaves_at or os.getppid() != self._parent:
            self._verdict = "closed"
        elif self._is_late(now):
            self._verdict = "time_limit"
            self._message = f"ran longer than {self._limits['seconds']:g} s"
        elif not self._run[0] and now - self._begun > LOADING:
            self._verdict, self._message = "loading", f"did not load its function within {LOADING:g} s"
        elif now - self._measured >= (self._tick if self._run[1] != IDLE else 5 * self._tick):
            self._measure(now)

    def _is_late(self, now: float) -> bool:
        turn, number, began = self._run
        if number == IDLE or self._limits["seconds"] is None or now - began <= self._limits["seconds"]:
            return False
        # The page is written while it is read: what is said twice is true.
        return self._page.run() == (turn, number, began)

    def _measure(self, now: float) -> None:
        self._measured = now
        tree.reap()
        pids = tree.descendants(os.getpid())
        memory, seconds = tree.use_of(pids, self._settings["shared"])
        self._most = max(self._most, memory)
        seconds += tree.reaped.cpu_seconds
        self._page.publish(memory, self._most, seconds, len(pids))
        if self._check("memory", memory, "memory_limit"):
            self._message = (
                f"used {size_text(memory)} of memory, more than {size_text(self._limits['memory'])}"
            )
        elif self._check("processes", len(pids), "process_limit"):
            self._message = f"had {len(pids)} processes at once, more than {self._limits['processes']}"

    def _check(self, name: str, value: int, verdict: str) -> bool:
        limit = self._limits[name]
        if limit is None or value <= limit or self._verdict:
            return False
        # Nothing runs: nobody is to blame, but it goes.
        self._verdict = verdict if self._run[1] != IDLE or not self._run[0] else "stopped"
        return True

    # -- the end ---------------------------------------------------------------------------------------------

    def _end_all(self) -> list[int]:
        if self._group:
            cgroup.kill(self._group)
        left = tree.end_all(os.getpid())
        self._drain(None)
        if self._group:
            cgroup.remove(self._group)
        return left

    def _report(self, seconds: float, left: list[int]) -> dict[str, Any]:
        turn, number, _ = self._page.run()
        return {
            "verdict": self._verdict,
            "message": self._message,
            "turn": turn,
            "run": number,
            "seconds": seconds,
            "status": tree.reaped.status or 0,
            "tail": self._tail.decode("utf-8", "replace"),
            "cpu_seconds": tree.reaped.cpu_seconds,
            "left": left,
            "python": sys.version_info[:2],
        }
