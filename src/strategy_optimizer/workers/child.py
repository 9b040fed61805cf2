"""The child process of a worker: it loads everything, waits for a task, runs it, and ends.

It is started below a guard, see `tasks.executors.child.guard`, with its files and limits as JSON on the command line.
The address of the database comes with the task, through a socket that only this process has.
"""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import signal
import socket
import sys
import threading
from typing import Any

from strategy_optimizer.tasks.executors.child import system
from strategy_optimizer.tasks.executors.child.page import Page
from strategy_optimizer.workers import messages


class Line:
    """The socket to the worker."""

    def __init__(self, file: int) -> None:
        os.set_inheritable(file, False)
        self._socket = socket.socket(fileno=file)
        self._lock = threading.Lock()

    def say(self, kind: int, **message: Any) -> None:
        """Send a message; a worker that is gone hears nothing."""
        try:
            with self._lock:
                self._socket.sendall(messages.pack(kind, message))
        except OSError:
            return

    def hear(self) -> tuple[int, dict[str, Any]] | None:
        """Wait for the next message; None when the worker is gone."""
        return messages.read(self._socket.fileno())


def main() -> None:
    """Run one task."""
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    settings = json.loads(sys.argv[1])
    # On a shared machine the API, and the worker that renews the lease, go first.
    system.step_back(settings["niceness"])
    line = Line(settings["jobs"])
    os.set_inheritable(settings["table"], False)
    page = Page(mmap.mmap(settings["table"], 0), 0)
    from strategy_optimizer.workers.warming import warm_up

    warm_up()
    page.begin(0)
    page.end()  # from here on its guard lets it wait as long as it likes
    line.say(messages.WARM, memory=system.resident_bytes())
    heard = line.hear()
    if heard is not None and heard[0] == messages.TASK:
        page.begin(1)
        system.brake(heard[1]["memory"], settings["limits"]["processes"])
        run_task(line, heard[1])


def run_task(line: Line, message: dict[str, Any]) -> None:
    """Run the task of a message, say how it was left, and end this process."""
    from strategy_optimizer.workers.task_run import Assignment, Stopped, TaskRun

    def stop(*_: object) -> None:
        raise Stopped

    signal.signal(signal.SIGUSR1, stop)
    run = TaskRun(
        Assignment(**message),
        on_checking=lambda: line.say(messages.CHECKING),
        on_ended=lambda ending, reason: line.say(messages.ENDED, ending=ending, reason=reason),
    )
    threading.Thread(target=listen, args=(line, run), daemon=True).start()
    run.run()
    leave()


def listen(line: Line, run: Any) -> None:
    """Pass wishes on to the task until the worker is gone; then end, for nobody renews the lease."""
    from strategy_optimizer.workers.task_run import Stopped

    while (heard := line.hear()) is not None:
        if heard[0] == messages.ASK:
            try:
                run.ask(heard[1]["wish"])
            except Stopped:
                leave()
    os._exit(1)


def leave() -> None:
    """End this process without waiting for anything that user code has started."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            continue  # the strategy closed it
    os._exit(0)


if __name__ == "__main__":
    main()
